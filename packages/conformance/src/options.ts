import type { Engine } from '@polybus/core/engine';

/** The argument of the factory. */
export interface FactoryContext<Config = unknown> {
  /**
   * The unique id of the case, `t-<uuid>`, with which all its topics begin. Engines made for the same id must use the same
   * broker, and must share what the processes of one deployment share, such as a checkpoint store.
   */
  readonly id: string;
  /** How many engines the factory has made for this case before. */
  readonly index: number;
  /** The `stallLimitMs` to make the engine with, in milliseconds, so that a case need not wait for the default. */
  readonly stallLimitMs: number;
  /**
   * The lease to make the engine with, in milliseconds, if the engine has one: a group member that gives no sign of life for
   * this long loses its work to other members. Only some cases set it.
   */
  readonly leaseMs?: number | undefined;
  /** The option `config` of the suite. In a child process it is a copy. */
  readonly config: Config;
}

/** Makes an engine and does not start it. Each call makes a new engine. */
export type EngineUnderTest<Config = unknown> = (context: FactoryContext<Config>) => Engine | Promise<Engine>;

/** How long the attempts at an event count: never longer than in one member, also if the member stops, or also if it is killed. */
export type AttemptMemory = 'never' | 'after-stop' | 'after-kill';

/** How the suite runs the engine in child processes, and what the engine promises between processes. */
export interface ProcessOptions {
  /** A module that exports the factory as `engineUnderTest`: `new URL('./engine.ts', import.meta.url)`. */
  readonly module: URL;
  /**
   * The arguments of Node.js for the child processes. Default: the export conditions of the test process and, for a TypeScript module on
   * a version of Node.js that does not load TypeScript, `--import tsx`.
   */
  readonly execArgv?: readonly string[] | undefined;
  /** The lease with which cases that kill or freeze a member make the engines, in milliseconds. Default 6000. */
  readonly leaseMs?: number | undefined;
  /**
   * How long after the death of a group member another member begins its events at the latest, with a lease of `leaseMs`. In
   * milliseconds. Required if `durable` and `groups` are true.
   */
  readonly takeoverWithinMs?: number | undefined;
  /** Whether the attempts of a member that stopped or died count at the next one. Required if `durable` and `groups` are true. */
  readonly attemptsCount?: AttemptMemory | undefined;
}

/** Controls the broker for the reconnect cases. The brokers of `@polybus/testbed` implement it. */
export interface BrokerControl {
  /** Stops the broker and starts it again at the same address with its data. Resolves when it answers. */
  restart(): Promise<void>;
  /** Starts an outage: the broker stops answering. */
  pause(): Promise<void>;
  /** Ends the outage. */
  resume(): Promise<void>;
}

/** The options of the suite. No option selects cases: only the capabilities of the engine do. */
export interface ConformanceOptions<Config = unknown> {
  /** How long to wait for each expected result, in milliseconds. Default 10 000. */
  readonly deadlineMs?: number | undefined;
  /** Required if `crossProcess` is true. */
  readonly broker?: BrokerControl | undefined;
  /** Writes a record with these bytes to a topic, as a foreign producer would. Required if `crossProcess` is true. */
  readonly produce?: ((topic: string, bytes: Uint8Array) => Promise<void>) | undefined;
  /** Required if `crossProcess` is true. */
  readonly processes?: ProcessOptions | undefined;
  /** Passed to the factory, in this process and in child processes: the address of the broker, for example. */
  readonly config?: Config | undefined;
  /** Called after each case, when its engines have stopped, to remove the topics and groups of the case from the broker. */
  readonly cleanup?: ((context: { readonly id: string }) => void | Promise<void>) | undefined;
}
