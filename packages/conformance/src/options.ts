import type { Engine } from '@polybus/core/engine';

/** What a factory is told. */
export interface FactoryContext {
  /**
   * The case's own name, `t-<uuid>`: all its topics begin with it. Engines that ask for the same one must see the same
   * broker, and share whatever processes of one deployment share (a checkpoint store, say).
   */
  readonly id: string;
  /** How many engines this case has asked for before. */
  readonly index: number;
  /** What the engine is to be made with as its `stallLimitMs`, so that a case need not wait for as long as the default. */
  readonly stallLimitMs: number;
  /**
   * If it is given: after how long without a sign of life others take the place of a member of a group, in milliseconds. To make the
   * engine with, if it has such a time.
   */
  readonly leaseMs?: number | undefined;
}

/** Makes an engine that has not been started; each call makes another one. */
export type EngineUnderTest = (context: FactoryContext) => Engine | Promise<Engine>;

/** What the reconnect cases do to the broker. The brokers of `@polybus/testbed` fit as they are. */
export interface BrokerControl {
  /** Ends the broker and starts it again at the same address, with its data; resolves when it answers. */
  restart(): Promise<void>;
  /** Begins an outage: the broker answers nothing any more. */
  pause(): Promise<void>;
  /** Ends the outage. */
  resume(): Promise<void>;
}

/** What the suite needs beside the engine. None of it chooses cases: the engine's capabilities do. */
export interface ConformanceOptions {
  /** How long to wait for what has to happen, in milliseconds. Default 10 000. */
  readonly deadlineMs?: number | undefined;
  /** Needed where `crossProcess` is true. */
  readonly broker?: BrokerControl | undefined;
  /** Writes a record to a topic as a foreign producer would, with these bytes. Needed where `crossProcess` is true. */
  readonly produce?: ((topic: string, bytes: Uint8Array) => Promise<void>) | undefined;
  /** Called after each case, when its engines have stopped, to remove what the case left on the broker. */
  readonly cleanup?: ((context: { readonly id: string }) => void | Promise<void>) | undefined;
}
