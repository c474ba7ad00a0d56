import type { Event, NewEvent } from './event.ts';
import type { RetryOptions } from './retry.ts';
import type { RawRecord } from './transport.ts';

/** A duration in milliseconds, or text such as `"250ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"7d"`. */
export type Duration = number | string;

/** A duration with its unit, such as `"90s"` or `"1h30m"`, or 0 for no limit. A bare number is refused: it may mean seconds as well as milliseconds. */
export type TimeToLive = string | 0;

/**
 * Receives events. Throwing, or rejecting, fails this attempt: the subscription's `retry` decides what happens next. What it returns
 * counts for nothing; a promise is waited for.
 */
export type EventHandler<T = unknown> = (event: Event<T>, context: HandlerContext) => unknown;

/** What a handler gets beside its event. */
export interface HandlerContext {
  /** Aborts when the handler's time is over (`handlerTimeoutMs`), and when `stop` gives up waiting for it. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt at this event. */
  readonly attempt: number;
  readonly subscription: Subscription;
  /** The name of the engine that delivered the event: a subscription may be on several, and an event on another than rules say. */
  readonly engine: string;
}

export interface PublishOptions {
  /** Gives up waiting. An event that the broker has accepted already stays published. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a new subscription begins: with what is published from now on, with what is kept, or at a point in time. */
export type StartPosition = 'latest' | 'earliest' | Date;

export interface SubscribeOptions {
  /** Consumer group: its subscriptions, in any process, share the events between them. Default: none, all events. */
  readonly group?: string | undefined;
  /**
   * Receives the events of this tenant only, those that have it as `metadata.tenant`; its `group` is then the tenant's own.
   * Default: none, all events.
   */
  readonly tenant?: string | undefined;
  /** Handlers at once, of an async subscription. Default: the engine's `workerCount`. */
  readonly concurrency?: number | undefined;
  /**
   * Where it begins; a Date in the future is `'latest'`. A group begins here only in topics that are new to it, and continues from its position in the others.
   * Default `'latest'`. Needs the capability `replay` for anything else.
   */
  readonly from?: StartPosition | undefined;
  /** Default: the engine's. `false` for one attempt. */
  readonly retry?: RetryOptions | false | undefined;
  /**
   * Where events go whose attempts are used up: a topic, `true` for `_dead.<topic>`, `false` to log and count them.
   * Default: the engine's.
   */
  readonly deadLetter?: string | boolean | undefined;
  /** Bounds one attempt, in milliseconds. Default: no bound. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Accepted events that may wait for the handler. Default: the engine's `defaultEventBufferSize`. */
  readonly bufferSize?: number | undefined;
  /** Aborting it cancels the subscription. */
  readonly signal?: AbortSignal | undefined;
}

/** A handler's place on a topic or pattern. */
export interface Subscription extends AsyncDisposable {
  /** Unique over all processes. */
  readonly id: string;
  /** The topic or pattern as it was subscribed to. */
  readonly topic: string;
  readonly isAsync: boolean;
  /** The name of the engine it is on; several, joined by a comma, where a pattern spans engines. */
  readonly engine: string;
  readonly group?: string | undefined;
  /** The same as `unsubscribe`: takes no more events and waits for its running handlers, save the one that calls it. */
  cancel(): Promise<void>;
}

export interface StartOptions {
  /** Gives up starting; what had been opened is closed again. */
  readonly signal?: AbortSignal | undefined;
}

export interface StopOptions {
  /** Ends the waiting for handlers early. */
  readonly signal?: AbortSignal | undefined;
  /** How long handlers may go on, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Publish and subscribe. An engine, the router over engines and the bus are each an `EventBus`, so each can stand
 * wherever another does.
 */
export interface EventBus extends AsyncDisposable {
  /** Opens the connections. Idempotent. A stopped bus may be started again; its subscriptions are gone. */
  start(options?: StartOptions): Promise<void>;
  /**
   * Takes no new work, lets handlers finish, then closes. Idempotent, and works while the broker is down.
   *
   * @throws {@link ShutdownTimeoutError} where handlers were still running when the time was over. Everything is closed
   *   all the same.
   */
  stop(options?: StopOptions): Promise<void>;
  /**
   * Resolves when the broker has accepted the event; on the memory engine, when every sync handler has finished. Never
   * rejects because a handler failed.
   *
   * @throws {@link InvalidTopicError} and {@link InvalidEventError} where the event cannot be published; nothing was sent.
   * @throws {@link PublishError} where the broker did not accept it.
   * @throws {@link EventBusNotStartedError}
   */
  publish(event: NewEvent, options?: PublishOptions): Promise<void>;
  /**
   * One event at a time, in publish order per key (per topic where no key). Resolves when nothing published from then on is missed.
   *
   * @throws {@link InvalidTopicError}, {@link HandlerRequiredError}, {@link InvalidOptionError}
   * @throws {@link UnsupportedCapabilityError} for an option that the engine cannot keep.
   * @throws {@link EventBusNotStartedError}
   */
  subscribe<T>(topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription>;
  /**
   * Up to `concurrency` events at once, in order per key where the event has one. The publisher never waits for it.
   *
   * @throws as `subscribe` does.
   */
  subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  /**
   * Idempotent. Takes no more events and waits for the running handlers, save the one that calls it.
   *
   * @throws {@link SubscriptionNotFoundError} for a subscription of another bus.
   */
  unsubscribe(subscription: Subscription): Promise<void>;
  /** The topics and patterns with at least one subscriber. */
  topics(): string[];
  /**
   * For a topic: the subscriptions, sync and async, that an event on it would reach. For a pattern: those to just that pattern.
   *
   * @throws {@link InvalidTopicError}
   */
  subscriberCount(topic: string): number;
}

/**
 * The engine types and what their configuration takes, so that editors complete `engine`, `type` and `config`. Each engine's package
 * adds its own: `import type {} from '@polybus/engine-redis'` brings it in where the engine is only named.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- packages of engines add to it
export interface EngineTypes {}

/** A type of an engine: one whose package is imported, or any other. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a package of an engine is imported
export type EngineType = keyof EngineTypes | (string & {});

/** What an engine takes under `config`: the fields of those whose packages are imported, or of any other. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a package of an engine is imported
export type EngineTypeConfig = EngineTypes[keyof EngineTypes] | Readonly<Record<string, unknown>>;

/** What an engine can do. Constant over the engine's life; the conformance suite's only switch. */
export interface Capabilities {
  /** Keeps events: a process that dies in a handler loses nothing. */
  readonly durable: boolean;
  /** `group`: subscriptions that share the events. */
  readonly groups: boolean;
  /** `from: 'earliest' | Date`. */
  readonly replay: boolean;
  /** The broker itself orders events by partition key. */
  readonly partitioned: boolean;
  /** Events reach other processes. */
  readonly crossProcess: boolean;
}

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

/** An event bus on one broker. */
export interface Engine extends EventBus {
  /** `memory`, `redis`, `kafka`, … */
  readonly type: string;
  readonly capabilities: Capabilities;
  /** A snapshot of the counts, in any state; they go on over restarts. */
  stats(): DeliveryStats;
  /** Never rejects: a broker that cannot be reached is `down`. */
  health(): Promise<EngineHealth>;
  /**
   * Rejects where the broker cannot be asked. Absent, or empty, where the broker does not know it.
   *
   * @throws {@link EventBusNotStartedError}
   */
  lag?(): Promise<readonly ConsumerLag[]>;
  /**
   * The first half of `stop`: takes no new work and lets handlers finish, but still sends what those handlers publish. A
   * router drains all its engines before it closes the first.
   *
   * @throws {@link ShutdownTimeoutError} where the time was over first; nothing is abandoned yet.
   */
  drain?(options?: StopOptions): Promise<void>;
  /** Called once by the bus that hosts the engine, before `start`. An engine that stands alone does without. */
  attach?(host: EngineHost): void;
}

/** What a hosting bus gives its engines. */
export interface EngineHost {
  /** The engine's name in the configuration. */
  readonly name: string;
  readonly logger: Logger;
  /** CloudEvents `source` of the events published here. */
  readonly source: string;
  /** Told of what happens, where somebody observes. */
  readonly observer: EngineObserver;
  /** Told of each record that cannot be decoded, in place of its dead letter. */
  readonly onUndecodable?: ((record: RawRecord) => unknown) | undefined;
  /** Publishes a dead letter by the bus's routing, so that a subscription made on the bus sees it. */
  publishDeadLetter(event: NewEvent): Promise<void>;
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
