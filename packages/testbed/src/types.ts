/** The brokers that the testbed can start. */
export type BrokerName = 'redis' | 'kafka' | 'kinesis';

/** Where a broker comes from: an address in the environment, a container, or a process on this machine. */
export type Provider = 'url' | 'docker' | 'local';

/** All brokers, in the order in which tables list them. */
export const BROKER_NAMES: readonly BrokerName[] = ['redis', 'kafka', 'kinesis'];

/** All providers, in the order in which they are tried. */
export const PROVIDERS: readonly Provider[] = ['url', 'docker', 'local'];

/** Information about a running broker. */
export interface BrokerInfo {
  readonly name: BrokerName;
  readonly provider: Provider;
  /** The version of the server; `unknown` if it does not report one. */
  readonly version: string;
  /** The time from the call until the broker answered, in milliseconds. It includes downloads. */
  readonly startupMs: number;
}

/**
 * Controls of a running broker. Concurrent calls run one after the other. All except `stop` reject with `BrokerControlError` if the
 * broker was given by URL or was stopped.
 */
export interface BrokerControls extends AsyncDisposable {
  /** True if the controls work: false for a broker given by address. */
  readonly controllable: boolean;
  /** True if `restart` keeps the data. A killed broker keeps the data that it would keep after a power cut. */
  readonly keepsData: boolean;
  /**
   * Stops the broker gracefully, starts it again at the same address, and resolves when it answers. Starts a killed broker. Rejects if
   * the broker did not end, was killed and lost data; the next restart starts it.
   */
  readonly restart: () => Promise<void>;
  /** Suspends the broker's process. Connections stay open, and nothing answers. */
  readonly pause: () => Promise<void>;
  /** Continues a paused broker. */
  readonly resume: () => Promise<void>;
  /** Kills the broker (SIGKILL). Its address and data stay reserved for `restart`. */
  readonly kill: () => Promise<void>;
  /** Ends the broker and removes its process, container, port and folder. Idempotent. */
  readonly stop: () => Promise<void>;
}

/** Options of every broker. */
export interface StartOptions {
  /** The providers to try, in order (default: those of POLYBUS_TEST_PROVIDERS, else url, docker, local). */
  readonly providers?: readonly Provider[];
  /** Refuses a broker given by address, because the caller needs to restart, pause or kill it (default false). */
  readonly controllable?: boolean;
  /** How long the broker may take to answer after its start, in milliseconds (default 120 000). */
  readonly timeoutMs?: number;
}

/** How to reach a Redis server. */
export interface RedisConnection {
  /** `redis://host:port`, with the password if the server has one. */
  readonly url: string;
}

/** How to reach a Kafka cluster. */
export interface KafkaConnection {
  /** Bootstrap addresses, each `host:port`, of the listener without encryption and authentication. */
  readonly brokers: readonly string[];
  /** The further listeners from the options: `host:port` by listener name. */
  readonly listeners: Readonly<Record<string, string>>;
}

/** How to reach a Kinesis endpoint. Emulators require credentials and accept any. */
export interface KinesisConnection {
  /** `http://host:port`. Use the SDK's HTTP/1.1 handler: its HTTP/2 default fails at random against the emulators. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** The connection details of each broker. */
export interface Connections {
  redis: RedisConnection;
  kafka: KafkaConnection;
  kinesis: KinesisConnection;
}

/** A running broker: its connection details, its information and its controls. */
export type Broker<N extends BrokerName = BrokerName> = Connections[N] & BrokerInfo & BrokerControls;

/** A running Redis server. */
export type RedisBroker = Broker<'redis'>;
/** A running Kafka broker. */
export type KafkaBroker = Broker<'kafka'>;
/** A running Kinesis endpoint. */
export type KinesisBroker = Broker<'kinesis'>;
