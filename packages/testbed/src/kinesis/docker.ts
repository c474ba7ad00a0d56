import { startBroker } from '../broker.ts';
import { ContainerMachine } from '../machine/container-machine.ts';
import { dockerEngine, ensureImage, imageOf } from '../machine/docker.ts';
import type { StartKinesisOptions } from './options.ts';
import { kinesisConnection, localstackVersion, probeKinesis } from './probe.ts';
import { freePort } from '../machine/ports.ts';
import type { KinesisBroker } from '../types.ts';

const LOCALSTACK_PORT = 4566;
const GRACE_SECONDS = 20;

/** Starts a LocalStack container with Kinesis only, with its port mapped to a free port of 127.0.0.1. */
export async function startDockerKinesis(
  options: StartKinesisOptions,
  since: number,
): Promise<KinesisBroker> {
  const engine = await dockerEngine();
  const image = imageOf('kinesis');
  await ensureImage(engine, image);
  const port = await freePort();
  const machine = new ContainerMachine({
    engine,
    image,
    env: {
      SERVICES: 'kinesis',
      EAGER_SERVICE_LOADING: '1',
      // Without these settings, it requests a certificate from its vendor's servers and reports its use to them.
      SKIP_SSL_CERT_DOWNLOAD: '1',
      DISABLE_EVENTS: '1',
      KINESIS_LATENCY: '50',
      KINESIS_SHARD_LIMIT: '500',
      ...options.env,
    },
    ports: new Map([[port, LOCALSTACK_PORT]]),
    graceSeconds: GRACE_SECONDS,
  });
  const connection = kinesisConnection(`http://${engine.host}:${String(port)}`);
  return startBroker({
    name: 'kinesis',
    provider: 'docker',
    machine,
    connection,
    // Only paid editions of LocalStack keep data over a restart.
    keepsData: false,
    timeoutMs: options.timeoutMs,
    probe: async () => {
      await probeKinesis(connection);
      return (await localstackVersion(connection.endpoint)) ?? image;
    },
    since,
  });
}
