import type { ConsumerLag, DropReason, EngineHealth, Logger, MissedData } from './observing.ts';
import type { StartPosition } from './bus.ts';
import type { Event } from './event.ts';
import type { UndecodableRecordError } from '../errors/errors.ts';

/**
 * Opens the connection of an engine to its broker. Core calls it at each start, and closes the returned transport at the next stop.
 *
 * If opening fails, or the signal of the context aborts, it closes what it has opened and rejects.
 */
export type OpenTransport = (context: TransportContext) => Promise<Transport>;

/**
 * The open connection of an engine to its broker: it sends events and listens. Core adds the rest: states, validation, queues, order,
 * retries, dead letters and counters.
 */
export interface Transport {
  /** Closes everything that opening and `listen` opened. It must also work while the broker is down. */
  close(): Promise<void>;
  /**
   * Sends an event. Resolves, or returns undefined, when the broker has accepted it. Concurrent calls may be sent as one batch.
   *
   * @throws {@link PublishError} if the broker did not accept the event, with the client's error as `cause`. If the event is too large
   *   for the broker, a {@link RecordTooLargeError}: core then cuts a dead letter until it fits.
   */
  send(event: Event, signal?: AbortSignal): Promise<void> | void;
  /**
   * Stores an event that subscriptions get when its delay is over, never earlier. Resolves, or returns undefined, when the broker has
   * stored it. A transport has this method if its engine declares the capability `delay`.
   *
   * @throws as `send` does.
   */
  sendDelayed?(event: Event, delay: Delay, signal?: AbortSignal): Promise<void> | void;
  /** Starts to read for a subscription. Resolves when the receiver gets every event published from then on. */
  listen(request: ListenRequest, receiver: Receiver): Promise<Listener>;
  /** Rejects if the broker cannot be reached. `health()` calls it. */
  ping?(): Promise<void>;
  /**
   * Returns how far reading has come, without asking the broker. Core calls it every few seconds and in `health()`, which becomes
   * `degraded` with the reason once a source has been behind at the same position for longer than `stallLimitMs`.
   */
  progress?(): Iterable<ReadProgress>;
  /** Resolves with how far the consumers are behind, if the broker knows it. `lag()` calls it, for metrics. */
  lag?(): Promise<readonly ConsumerLag[]>;
  /** Returns more about the connection for `health()`, which reports the worse of this `status` and the result of `ping`. */
  describe?(): Pick<EngineHealth, 'details'> & Partial<Pick<EngineHealth, 'status' | 'error'>>;
}

/**
 * How long an event is delayed: a duration, which the monotonic clock of a process or the clock of a broker can measure, or a time of
 * day in milliseconds since the epoch. Both are in the future. Events that are delayed until the same time keep their order.
 */
export type Delay =
  | { readonly delayMs: number; readonly at?: undefined }
  | { readonly at: number; readonly delayMs?: undefined };

/** How far reading of one partition, stream or shard has come. */
export interface ReadProgress {
  /** What is read and by which group, such as `partition 3 of "orders" for the group "billing"`. */
  readonly source: string;
  /** A value that changes whenever a record was read. */
  readonly position: string | number | bigint;
  /**
   * Why reading is behind: records are available, or reading fails. Undefined if there is nothing to read, or if the receiver has no
   * capacity, which core detects at the receiver.
   */
  readonly behind: string | undefined;
}

export interface TransportContext {
  /** The name of the engine, for client ids and messages. */
  readonly name: string;
  readonly logger: Logger;
  /** The CloudEvents `source` of events that this process publishes. */
  readonly source: string;
  /** Aborts if the start is given up, because its caller's signal aborted or the engine is stopped meanwhile. */
  readonly signal: AbortSignal;
  /**
   * Reports that events may have been missed, for example after a lost connection to a broker that keeps no events. Core logs it and
   * notifies the observers.
   */
  missed(data: Omit<MissedData, 'engine'>): void;
}

/** The properties of a subscription that a transport needs. */
export interface ListenRequest {
  readonly subscriptionId: string;
  /** A topic or a pattern. */
  readonly pattern: string;
  readonly isAsync: boolean;
  readonly group: string | undefined;
  readonly from: StartPosition;
  /** The maximum number of handlers that run at once. It can change while the subscription runs. */
  readonly concurrency: number;
}

export interface Listener {
  /**
   * Stops delivering events to the receiver. May be called twice. Delivered events may still be settled afterwards. Core continues
   * without a listener that takes longer than 10 seconds to stop.
   */
  stop(): Promise<void>;
}

/** Takes the events that a transport reads for one subscription. */
export interface Receiver {
  /**
   * How many more events the subscription can take. If it is zero or less, deliver no more until `onRoom` is called.
   *
   * It does not show that a subscription has ended. After `Listener.stop`, and after a `listen` that rejected, core closes the queue of
   * the receiver: `capacity` may be above zero, but the queue releases each event at once. A transport that continues to read into a
   * closed queue reads the same events forever.
   */
  readonly capacity: number;
  /** True while the application has paused the subscription: what waits for its handlers is not stalled. */
  readonly isPaused: boolean;
  /** Set by the transport. Called each time capacity becomes available after there was none. */
  onRoom: (() => void) | undefined;
  /**
   * Set by a transport whose ownership of delivered events can expire, such as the lease of a group member. While it returns false, no
   * attempt starts, neither a first attempt nor a retry. Core calls it before each attempt, so it must be cheap and must not throw.
   * When ownership is confirmed, the transport calls `run`; when it is lost, `withdraw`.
   */
  mayBegin: (() => boolean) | undefined;
  /**
   * Delivers one event to the subscription. The event is queued even if `capacity` is zero, so check `capacity` first.
   *
   * @param previousAttempts - The number of attempts reported through `begun` before the event was last released; 0 if unknown. Each
   *   of them counts as used.
   */
  deliver(event: Event, acknowledgement: Acknowledgement, previousAttempts?: number): void;
  /**
   * Returns false for an event that is not for this subscription, because it belongs to another tenant or is redriven for another
   * group. Such an event is settled at once if it is delivered. A transport whose `send` waits for capacity calls this first and
   * does not wait for such an event.
   */
  wants(event: Event): boolean;
  /**
   * The first half of `deliver`, for a transport that delivers one event to several receivers. It enqueues the event at all of them
   * before it calls `run` on the first, so that an event that a handler publishes stays behind the event being handled.
   */
  enqueue(event: Event, acknowledgement: Acknowledgement, previousAttempts?: number): void;
  /** The second half of `deliver`: starts handlers for queued events, as far as order, workers and `mayBegin` allow. */
  run(): void;
  /** Delivers a record that is not an event. It becomes a dead letter with its raw bytes. */
  undecodable(record: RawRecord, acknowledgement: Acknowledgement): void;
  /**
   * Releases every delivered event whose handler is not running, including events that wait for another attempt. An event whose
   * handler is running is released if the handler fails, together with all events that are queued by then, so that none of its key
   * overtakes it. For a transport that is about to lose its partitions to another process.
   */
  withdraw(): void;
  /** Counts and reports an event that was dropped, and logs it at most once a second. */
  drop(event: Event, reason: DropReason): void;
  /**
   * Asks whether `send` may wait for this subscription, as the memory engine does for sync handlers and for capacity. Transports whose
   * `send` waits only for a broker do not call it.
   *
   * @returns true: wait. A function: wait, and call it when the wait is over. False: do not wait, because this subscription itself
   *   waits for the handler that publishes, and both would wait forever.
   */
  beginWait(): EndWait | boolean;
}

/** Exactly one of `settled` and `release` is called for each delivered event, possibly after `close`. Neither must throw. */
export interface Acknowledgement {
  /**
   * Called before each attempt with its number, which includes previous attempts. For a broker that can store it until the event is
   * settled: an event whose handler ends the process each time then runs out of attempts, and an event that only waited in that
   * process loses none. Called with one less if an attempt releases the event without failing, as a `bus.events()` loop that ends
   * does. Must not throw.
   */
  begun?(attempt: number): void;
  /** Called to acknowledge the event: it was handled, or its dead letter is written. */
  settled(): void;
  /**
   * Called to release the event without acknowledging it. A closed queue calls it before `deliver` has returned. A transport that
   * delivers a released event to the same receiver again must do so in a later turn of the event loop, because a closed queue releases
   * it again.
   *
   * @returns true if the event will be delivered again, in this or another process; false if it is lost and counts as dropped.
   */
  release(): boolean;
}

/** Ends a wait that `beginWait` started. */
export type EndWait = () => void;

/** A record as the broker delivered it. */
export interface RawRecord {
  /** The topic that it was read from. */
  readonly topic: string;
  readonly bytes: Uint8Array;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly key?: string | undefined;
  readonly error: UndecodableRecordError;
}
