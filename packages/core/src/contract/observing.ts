/**
 * Counters since the engine was created. Except for `published`, they count deliveries: an event that reaches three subscriptions is
 * enqueued three times. While no `publish` runs, `enqueued == delivered + dropped + pending`.
 */
export interface DeliveryStats {
  /** Events of this process that the engine accepted, including dead letters. An engine with a broker accepts an event when its broker does. */
  readonly published: number;
  /** Deliveries created for a subscription, including those that are dropped, without those that are released. */
  readonly enqueued: number;
  /** Deliveries that are settled: the handler succeeded, or every attempt failed. */
  readonly delivered: number;
  /** Deliveries that were given up before a handler had finished, for example because the buffer was full: see {@link DropReason}. */
  readonly dropped: number;
  /** Deliveries that are queued, running, or between two attempts. */
  readonly pending: number;
  /** Pending deliveries whose handler runs. */
  readonly running: number;
  /** Pending deliveries that wait for another attempt or for their dead letter to be written. */
  readonly deferred: number;
  /** Delivered deliveries that failed on every attempt. */
  readonly failed: number;
  /** Attempts after the first. */
  readonly retried: number;
  /** Failed deliveries that were written to a dead-letter topic. */
  readonly deadLettered: number;
  /** Deliveries released to their group without acknowledgement. The group gets them again, and `enqueued` excludes them. */
  readonly released: number;
}

export type EngineState = 'new' | 'starting' | 'started' | 'stopping' | 'stopped';

export interface EngineHealth {
  /** `up`: works. `degraded`: works, but needs attention. `down`: does not work now. */
  readonly status: 'up' | 'degraded' | 'down';
  readonly state: EngineState;
  /** Why the status is not `up`: all reasons, joined by `; `. Contains no secrets. */
  readonly error?: string | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** How far one consumer is behind the newest event. */
export interface ConsumerLag {
  readonly topic: string;
  readonly group?: string | undefined;
  /** The partition or shard, if the broker has them. */
  readonly partition?: string | undefined;
  /** The number of events that are not acknowledged yet; undefined if the broker that knows it does not answer. */
  readonly events?: number | undefined;
  /** The time between the newest event and the last event received, in milliseconds. */
  readonly ms?: number | undefined;
}

/**
 * The logger of a bus and its engines. `console`, winston, pino and bunyan can be passed to a bus as they are. A logger with a method
 * `bindings` (pino) or `addSerializers` (bunyan) gets the fields first and then the message; any other logger gets the message first.
 * An error in the fields is an `Error` whose JSON has its name, message, code, stack and causes.
 */
export interface Logger {
  debug?(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info?(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Receives notifications from an engine. The engine creates the data objects only while `active` is true. */
export interface EngineObserver {
  readonly active: boolean;
  received(data: DeliveryData): void;
  failed(data: FailureData): void;
  missed(data: MissedData): void;
  /** Called after each attempt. Undefined if nobody observes attempts, so that the engine does not time them. */
  readonly attempted?: AttemptObserver | undefined;
}

/** Called after each attempt of a handler. If it throws, the error is logged and has no other effect. */
export type AttemptObserver = (attempt: AttemptData) => void;

/** One finished attempt of a handler. */
export interface AttemptData {
  /** The topic of the event. */
  readonly topic: string;
  /** The topic or pattern of the subscription, whose values are limited in number, as metric labels need. */
  readonly pattern: string;
  readonly engine: string;
  readonly subscription: string;
  readonly group?: string | undefined;
  /** The number of the attempt; the first is 1. */
  readonly attempt: number;
  /**
   * How the attempt ended. `timeout`: it exceeded `handlerTimeoutMs`. `released`: the event was released without a result, for
   * example because a `bus.events()` loop ended or `stop` gave up waiting.
   */
  readonly outcome: AttemptOutcome;
  /** The duration of the handler with its middleware, in milliseconds. */
  readonly durationMs: number;
}

export type AttemptOutcome = 'success' | 'failure' | 'timeout' | 'released';

/** A period in which a subscription may have missed events. Which and how many is unknown. */
export interface MissedData {
  /** The topic or pattern of the subscription. */
  readonly topic: string;
  readonly engine: string;
  readonly since: Date;
  readonly until: Date;
  /** What caused it. Contains no secrets. */
  readonly reason: string;
}

/** One delivery of an event to a subscription. */
export interface DeliveryData {
  readonly topic: string;
  readonly engine: string;
  readonly eventId: string;
  readonly key?: string | undefined;
  readonly subscription: string;
  readonly group?: string | undefined;
  readonly attempt: number;
}

/** A delivery that did not succeed, and what happens to the event next. */
export interface FailureData extends Omit<DeliveryData, 'eventId'> {
  /** Undefined for a record that could not be decoded. */
  readonly eventId?: string | undefined;
  readonly outcome: 'retry' | 'dead-letter' | 'discarded' | 'dropped';
  /** Why the event was dropped; only for the outcome `dropped`. */
  readonly reason?: DropReason | undefined;
  /** The time until the next attempt, in milliseconds; only for the outcome `retry`. */
  readonly retryInMs?: number | undefined;
  readonly error?: { readonly name: string; readonly message: string } | undefined;
}

/** Why an event was dropped. */
export type DropReason = 'buffer-full' | 'block-timeout' | 'aborted' | 'expired' | 'unsubscribed' | 'stopped';
