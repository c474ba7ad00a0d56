import { startBroker } from '../broker.ts';
import { ContainerMachine } from '../machine/container-machine.ts';
import { dockerEngine, ensureImage, imageOf } from '../machine/docker.ts';
import type { StartKinesisOptions } from './options.ts';
import { kinesisConnection, localstackVersion, probeKinesis } from './probe.ts';
import { freePort } from '../machine/ports.ts';
import type { KinesisBroker } from '../types.ts';

const LOCALSTACK_PORT = 4566;
const GRACE_SECONDS = 20;

/** Starts a LocalStack container with its Kinesis alone, its port mapped to a free one of 127.0.0.1. */
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
      // It would ask its maker's servers for a certificate and report its use to them.
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
    // Keeping data over a restart is a feature of LocalStack's paid editions.
    keepsData: false,
    timeoutMs: options.timeoutMs,
    probe: async () => {
      await probeKinesis(connection);
      return (await localstackVersion(connection.endpoint)) ?? image;
    },
    since,
  });
}
