/**
 * Counts since the engine was made. One event that reaches three subscriptions is enqueued three times. Once publishers
 * rest, `enqueued == delivered + dropped + pending`.
 */
export interface DeliveryStats {
  /** Events that the broker accepted from this process. */
  readonly published: number;
  /** Deliveries taken in for a subscription and not given back to the broker. */
  readonly enqueued: number;
  /** Deliveries whose handling ended, successful or not. */
  readonly delivered: number;
  /** Deliveries that no handler will see: buffer full, expired, or abandoned at stop by an engine that keeps nothing. */
  readonly dropped: number;
  /** Deliveries waiting, running, or between two attempts. */
  readonly pending: number;
  /** Of the pending: those whose handler runs. */
  readonly running: number;
  /** Of the pending: those that wait for another attempt, or for their dead letter to be written. */
  readonly deferred: number;
  /** Of the delivered: those whose attempts were used up. */
  readonly failed: number;
  /** Attempts after the first. */
  readonly retried: number;
  /** Of the failed: those written to a dead-letter topic. */
  readonly deadLettered: number;
  /** Deliveries given back to the broker unacknowledged; they are delivered again and are not in `enqueued`. */
  readonly released: number;
}

export type EngineState = 'new' | 'starting' | 'started' | 'stopping' | 'stopped';

export interface EngineHealth {
  /** `up`: usable. `degraded`: usable, but something needs a look. `down`: not usable now. */
  readonly status: 'up' | 'degraded' | 'down';
  readonly state: EngineState;
  /** Why it is not `up`, all reasons joined by `; `. Never holds a secret. */
  readonly error?: string | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** How far one consumer is behind what is published. */
export interface ConsumerLag {
  readonly topic: string;
  readonly group?: string | undefined;
  /** Partition or shard, where the broker has them. */
  readonly partition?: string | undefined;
  /** Events not yet acknowledged. */
  readonly events?: number | undefined;
  /** Milliseconds between the newest event and the last one received. */
  readonly ms?: number | undefined;
}

/**
 * What the bus and its engines log to. Given to a bus, `console`, winston, pino and bunyan fit as they are: a logger with a method
 * `bindings`, as pino's, or `addSerializers`, as bunyan's, gets the fields first and then the message, and any other gets the message
 * first. An error in the fields is an `Error` of which JSON shows name, message, code, stack and causes.
 */
export interface Logger {
  debug?(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info?(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** What an engine tells its host. Data objects are made only while `active` is true. */
export interface EngineObserver {
  readonly active: boolean;
  received(data: DeliveryData): void;
  failed(data: FailureData): void;
  missed(data: MissedData): void;
  /** Told of each attempt that ended; undefined while nobody asks, so that attempts are not timed. */
  readonly attempted?: AttemptObserver | undefined;
}

/** Told of each attempt of a handler that ended. What it throws is logged and harms nobody. */
export type AttemptObserver = (attempt: AttemptData) => void;

/** One attempt of a handler, ended. */
export interface AttemptData {
  /** The event's. */
  readonly topic: string;
  /** The topic or pattern of the subscription: of these there are only so many. */
  readonly pattern: string;
  readonly engine: string;
  readonly subscription: string;
  readonly group?: string | undefined;
  /** 1 for the first. */
  readonly attempt: number;
  /**
   * `timeout`: it ran longer than `handlerTimeoutMs`. `released`: given back, as by a loop that was left or a `stop` that
   * waited no longer.
   */
  readonly outcome: AttemptOutcome;
  /** From the call of the handler, middleware included, to its end, in milliseconds. */
  readonly durationMs: number;
}

export type AttemptOutcome = 'success' | 'failure' | 'timeout' | 'released';

/** A time in which events may have been missed: nobody knows which, or how many. */
export interface MissedData {
  /** The topic or pattern that was not listened to. */
  readonly topic: string;
  readonly engine: string;
  readonly since: Date;
  readonly until: Date;
  /** What happened, without secrets. */
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

/** A delivery that did not succeed, and what becomes of the event. */
export interface FailureData extends Omit<DeliveryData, 'eventId'> {
  /** Absent for a record that could not be decoded. */
  readonly eventId?: string | undefined;
  readonly outcome: 'retry' | 'dead-letter' | 'discarded' | 'dropped';
  /** For `dropped`. */
  readonly reason?: DropReason | undefined;
  /** Milliseconds until the next attempt, for `retry`. */
  readonly retryInMs?: number | undefined;
  readonly error?: { readonly name: string; readonly message: string } | undefined;
}

/** Why an event was dropped. */
export type DropReason = 'buffer-full' | 'block-timeout' | 'aborted' | 'expired' | 'unsubscribed' | 'stopped';
