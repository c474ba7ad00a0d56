import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type * as testcontainers from 'testcontainers';
import type { ContainerRuntimeClient } from 'testcontainers';
import { IMAGE_VARIABLES, variable } from '../environment.ts';
import { ProviderUnavailableError } from '../errors.ts';
import type { BrokerName } from '../types.ts';
import { withDeadline } from '../wait.ts';
import type { DockerAddress } from './watchdog.ts';

/** The pinned images. LocalStack 4.14 is the last version that starts without an account. */
export const DEFAULT_IMAGES: Readonly<Record<BrokerName, string>> = {
  redis: 'redis:8',
  kafka: 'apache/kafka:4.3.1',
  kinesis: 'localstack/localstack:4.14.0',
};

/** How long a pull may take, in milliseconds: enough for a large image on a slow connection. */
const PULL_MS = 10 * 60_000;
/** How long the engine may take to answer, in milliseconds. It usually takes much less than a second. */
const PING_MS = 10_000;

/** A Docker engine that answers, and how to use it. */
export interface DockerEngine {
  readonly client: ContainerRuntimeClient;
  /** The host of its mapped ports, as seen from this machine. */
  readonly host: string;
  /** The address of its API; undefined if only its own client can connect (TLS). */
  readonly address: DockerAddress | undefined;
}

/** The address of mapped ports if the engine is on this machine. */
export const LOOPBACK = '127.0.0.1';

/** Loads testcontainers only if there seems to be an engine, because loading takes a second. */
export async function loadTestcontainers(): Promise<typeof testcontainers> {
  return import('testcontainers');
}

function dockerConfigNamesContext(): boolean {
  try {
    const text = readFileSync(
      join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json'),
      'utf8',
    );
    return 'currentContext' in (JSON.parse(text) as object);
  } catch {
    return false;
  }
}

/** True if anything on this machine hints at an engine. On other machines, this saves the search in all places. */
function looksAsIfThereWereDocker(): boolean {
  if (process.platform === 'win32' || variable('DOCKER_HOST') !== undefined) return true;
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const sockets = [
    '/var/run/docker.sock',
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock')]),
    join('/run', 'user', String(process.getuid?.() ?? 0), 'docker.sock'),
  ];
  return (
    sockets.some((socket) => existsSync(socket)) ||
    existsSync(join(homedir(), '.testcontainers.properties')) ||
    dockerConfigNamesContext()
  );
}

interface Modem {
  readonly socketPath?: string;
  readonly protocol?: string;
  readonly host?: string;
  readonly port?: number | string;
}

function addressOf(client: ContainerRuntimeClient): DockerAddress | undefined {
  const { socketPath, protocol, host, port } = client.container.dockerode.modem as Modem;
  if (socketPath !== undefined) return { socketPath };
  if (protocol === 'http' && host !== undefined && port !== undefined) return { host, port: Number(port) };
  return undefined;
}

/**
 * The Docker engine of this machine, found the way testcontainers does.
 *
 * @throws ProviderUnavailableError if none answers
 */
export async function dockerEngine(): Promise<DockerEngine> {
  if (!looksAsIfThereWereDocker()) throw new ProviderUnavailableError('no Docker engine found');
  const { getContainerRuntimeClient } = await loadTestcontainers();
  try {
    const client = await getContainerRuntimeClient();
    await withDeadline('the Docker engine to answer', PING_MS, client.container.dockerode.ping());
    const { host } = client.info.containerRuntime;
    // Ports are mapped at the IPv4 address only; `localhost` may resolve to the IPv6 address first.
    return { client, host: host === 'localhost' ? LOOPBACK : host, address: addressOf(client) };
  } catch (error) {
    throw new ProviderUnavailableError('no Docker engine answers', { cause: error });
  }
}

/** The image of a broker, from its environment variable, else the pinned image. */
export function imageOf(broker: BrokerName): string {
  return variable(IMAGE_VARIABLES[broker]) ?? DEFAULT_IMAGES[broker];
}

/**
 * Pulls an image if the engine does not have it.
 *
 * @throws ProviderUnavailableError if the image does not exist, or its registry cannot be reached
 */
export async function ensureImage(engine: DockerEngine, image: string): Promise<void> {
  const { ImageName } = await loadTestcontainers();
  const name = ImageName.fromString(image);
  let cause: unknown;
  try {
    await withDeadline(`image ${image}`, PULL_MS, engine.client.image.pull(name));
  } catch (error) {
    cause = error;
  }
  // A pull that fails halfway reports the failure only in its stream, so check that the image is there.
  if (await engine.client.image.exists(name)) return;
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  throw new ProviderUnavailableError(
    `this machine does not have the image ${image} and cannot pull it${why}`,
    { cause },
  );
}
