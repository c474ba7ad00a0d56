import type { Engine } from '@polybus/core/engine';

/** The argument of the factory. */
export interface FactoryContext {
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
}

/** Makes an engine and does not start it. Each call makes a new engine. */
export type EngineUnderTest = (context: FactoryContext) => Engine | Promise<Engine>;

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
export interface ConformanceOptions {
  /** How long to wait for each expected result, in milliseconds. Default 10 000. */
  readonly deadlineMs?: number | undefined;
  /** Required if `crossProcess` is true. */
  readonly broker?: BrokerControl | undefined;
  /** Writes a record with these bytes to a topic, as a foreign producer would. Required if `crossProcess` is true. */
  readonly produce?: ((topic: string, bytes: Uint8Array) => Promise<void>) | undefined;
  /** Called after each case, when its engines have stopped, to remove the topics and groups of the case from the broker. */
  readonly cleanup?: ((context: { readonly id: string }) => void | Promise<void>) | undefined;
}
