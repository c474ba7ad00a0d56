import type { StartOptions } from '../types.ts';

/** A listener besides the one without encryption that every broker of the testbed has. */
export interface KafkaListener {
  /**
   * Its name, as in Kafka's `listener.name.<name>.` settings. Not PLAINTEXT, CONTROLLER or a name that ends in SSL, for which the Docker
   * image requires key files.
   */
  readonly name: string;
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** The `host:port` that it advertises instead of its own: of a proxy in front of it. Its own is in `broker.listeners`. */
  readonly advertised?: string;
}

/** A user of the SCRAM mechanisms. */
export interface ScramUser {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly name: string;
  readonly password: string;
}

/** Options of `startKafka`. */
export interface StartKafkaOptions extends StartOptions {
  /** Broker settings by their names in `server.properties`. They override those of the testbed. */
  readonly config?: Readonly<Record<string, string>>;
  /** Further listeners, each on its own port. Their settings go into `config` (keys and certificates as PEM). */
  readonly listeners?: readonly KafkaListener[];
  /** Users for listeners that have `SCRAM-SHA-256` or `-512` among their `sasl.enabled.mechanisms`. */
  readonly scramUsers?: readonly ScramUser[];
}

/** The address of a listener, and the address that it advertises. */
export interface PlacedListener extends KafkaListener {
  /** The `host:port` where it can be reached. */
  readonly address: string;
  /** The address that it binds to. */
  readonly bind: string;
  /** The `host:port` that it advertises to clients. */
  readonly advertised: string;
  readonly port: number;
}

/** The listener between brokers and controllers. */
const CONTROLLER = 'CONTROLLER';

/** The settings of a broker of one node in KRaft mode. */
export function kafkaConfig(
  listeners: readonly PlacedListener[],
  controllerPort: number,
  options: StartKafkaOptions,
): Readonly<Record<string, string>> {
  const [plain] = listeners;
  if (plain === undefined) throw new RangeError('a Kafka broker needs a listener');
  const bound = listeners.map(({ name, bind, port }) => `${name}://${bind}:${String(port)}`);
  const protocols = listeners.map(({ name, protocol }) => `${name}:${protocol}`);
  return {
    'node.id': '1',
    'process.roles': 'broker,controller',
    'controller.quorum.voters': `1@127.0.0.1:${String(controllerPort)}`,
    'controller.listener.names': CONTROLLER,
    listeners: [...bound, `${CONTROLLER}://127.0.0.1:${String(controllerPort)}`].join(','),
    'advertised.listeners': listeners.map(({ name, advertised }) => `${name}://${advertised}`).join(','),
    'listener.security.protocol.map': [...protocols, `${CONTROLLER}:PLAINTEXT`].join(','),
    'inter.broker.listener.name': plain.name,
    // One node cannot replicate.
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // With fifty partitions each, the first consumer would wait mostly for them.
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.num.partitions': '4',
    // Until the session of a killed broker ends, the cluster refuses the restarted broker (default 9 s).
    'broker.session.timeout.ms': '4000',
    'broker.heartbeat.interval.ms': '1000',
    // The first member of a group does not wait 3 s for others that might join.
    'group.initial.rebalance.delay.ms': '0',
    // Publishing to a topic that does not exist must fail.
    'auto.create.topics.enable': 'false',
    ...options.config,
  };
}

/** The environment variable for a setting in the `apache/kafka` image. */
export function kafkaVariable(setting: string): string {
  const escapes: Readonly<Record<string, string>> = { '.': '_', _: '__', '-': '___' };
  return `KAFKA_${setting.replaceAll(/[._-]/g, (char) => escapes[char] ?? char).toUpperCase()}`;
}
