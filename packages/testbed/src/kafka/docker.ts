import { startBroker } from '../broker.ts';
import { ContainerMachine } from '../machine/container-machine.ts';
import { dockerEngine, ensureImage, imageOf } from '../machine/docker.ts';
import {
  kafkaConfig,
  type KafkaListener,
  kafkaVariable,
  type PlacedListener,
  type StartKafkaOptions,
} from './options.ts';
import { probeKafka } from './probe.ts';
import { freePort } from '../machine/ports.ts';
import type { KafkaBroker } from '../types.ts';

/** A port that is free inside the containers, because listeners have random ports from 15000 up. */
const CONTROLLER_PORT = 9093;
const GRACE_SECONDS = 30;

/** The version of the image, from its tag. */
function versionOf(image: string): string {
  return /:([^:/@]+)(?:@|$)/.exec(image)?.[1] ?? 'unknown';
}

/** Starts an `apache/kafka` container, one node in KRaft mode, that advertises its mapped ports. */
export async function startDockerKafka(options: StartKafkaOptions, since: number): Promise<KafkaBroker> {
  const engine = await dockerEngine();
  const image = imageOf('kafka');
  await ensureImage(engine, image);
  const wanted: KafkaListener[] = [
    { name: 'PLAINTEXT', protocol: 'PLAINTEXT' },
    ...(options.listeners ?? []),
  ];
  const listeners: PlacedListener[] = [];
  for (const listener of wanted) {
    // The same port on both sides: a broker must know its advertised port before it starts.
    const port = await freePort();
    const address = `${engine.host}:${String(port)}`;
    listeners.push({ advertised: address, ...listener, bind: '0.0.0.0', address, port });
  }
  const config = kafkaConfig(listeners, CONTROLLER_PORT, options);
  const machine = new ContainerMachine({
    engine,
    image,
    env: {
      ...Object.fromEntries(
        Object.entries(config).map(([setting, value]) => [kafkaVariable(setting), value]),
      ),
      KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
    },
    ports: new Map(listeners.map(({ port }) => [port, port])),
    graceSeconds: GRACE_SECONDS,
  });
  const [plain, ...others] = listeners.map(({ name, address }) => [name, address] as const);
  const brokers = plain === undefined ? [] : [plain[1]];
  let hasUsers = false;
  return startBroker({
    name: 'kafka',
    provider: 'docker',
    machine,
    connection: { brokers, listeners: Object.fromEntries(others) },
    keepsData: true,
    timeoutMs: options.timeoutMs,
    probe: async () => {
      await probeKafka(brokers, 'ours');
      if (!hasUsers) await addScramUsers(machine, options, brokers[0] ?? '');
      hasUsers = true;
      return versionOf(image);
    },
    since,
  });
}

/** The image formats its storage without users. They are added once the broker answers. */
async function addScramUsers(
  machine: ContainerMachine,
  options: StartKafkaOptions,
  broker: string,
): Promise<void> {
  for (const { mechanism, name, password } of options.scramUsers ?? []) {
    const user = ['--alter', '--entity-type', 'users', '--entity-name', name];
    const secret = ['--add-config', `${mechanism}=[password=${password}]`];
    await machine.exec(['/opt/kafka/bin/kafka-configs.sh', '--bootstrap-server', broker, ...user, ...secret]);
  }
}
