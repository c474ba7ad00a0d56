import { startBroker } from '../broker.ts';
import { ContainerMachine } from '../machine/container-machine.ts';
import { dockerEngine, ensureImage, imageOf } from '../machine/docker.ts';
import { freePort } from '../machine/ports.ts';
import { redisArguments, redisUrl, type StartRedisOptions } from './options.ts';
import { probeRedis } from './probe.ts';
import type { RedisBroker } from '../types.ts';

const REDIS_PORT = 6379;
const GRACE_SECONDS = 10;

/** Starts a Redis container with its port mapped to a free port of 127.0.0.1. */
export async function startDockerRedis(options: StartRedisOptions, since: number): Promise<RedisBroker> {
  const engine = await dockerEngine();
  const image = imageOf('redis');
  await ensureImage(engine, image);
  const port = await freePort();
  const machine = new ContainerMachine({
    engine,
    image,
    command: ['redis-server', '--bind', '0.0.0.0', '--protected-mode', 'no', ...redisArguments(options)],
    ports: new Map([[port, REDIS_PORT]]),
    graceSeconds: GRACE_SECONDS,
  });
  const url = redisUrl(engine.host, port, options.password);
  return startBroker({
    name: 'redis',
    provider: 'docker',
    machine,
    connection: { url },
    keepsData: true,
    timeoutMs: options.timeoutMs,
    probe: () => probeRedis(url),
    since,
  });
}
