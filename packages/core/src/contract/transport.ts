import type { ConsumerLag, DropReason, EngineHealth, Logger, MissedData } from './observing.ts';
import type { StartPosition } from './bus.ts';
import type { Event } from './event.ts';
import type { UndecodableRecordError } from '../errors/errors.ts';

/**
 * What an engine author writes: how to open a broker, send an event and listen. Core supplies the rest: states,
 * validation, queues, order, retries, dead letters, statistics.
 */
export interface Transport {
  open(context: TransportContext): Promise<void>;
  /**
   * Closes everything that `open` and `listen` opened; must also work while the broker is down, and while an `open` that was
   * given up still runs.
   */
  close(): Promise<void>;
  /**
   * Resolves, or returns nothing, when the broker has accepted the event. Calls made at the same time may leave as one batch.
   *
   * @throws {@link PublishError} where the broker did not accept it, with the client's error as `cause`. If the event is too large for the
   *   broker, a `PolybusError` with the code `RECORD_TOO_LARGE`: a dead letter is then cut until it fits.
   */
  send(event: Event, signal?: AbortSignal): Promise<void> | void;
  /** Resolves when nothing published from then on is missed. */
  listen(request: ListenRequest, receiver: Receiver): Promise<Listener>;
  /** Rejects where the broker cannot be reached; asked by `health()`. */
  ping?(): Promise<void>;
  /**
   * How far reading is, from what is known without asking the broker. Looked at every few seconds at most, and by `health()`, which is
   * `degraded` with the reason once a source has been behind at the same position for longer than `stallLimitMs`.
   */
  progress?(): Iterable<ReadProgress>;
  /** How far its consumers are behind, where the broker knows it; asked by `lag()`, for metrics. */
  lag?(): Promise<readonly ConsumerLag[]>;
  /** More about the connection, for `health()`. Of its `status` and what `ping` says, the worse counts. */
  describe?(): Pick<EngineHealth, 'details'> & Partial<Pick<EngineHealth, 'status' | 'error'>>;
}

/** How far the reading of one partition, stream or shard is. */
export interface ReadProgress {
  /** What is read, and for whom where several do, such as `partition 3 of "orders" for the group "billing"`. */
  readonly source: string;
  /** Changes whenever something was read. */
  readonly position: string | number | bigint;
  /**
   * Why it is behind: that there is something to read, or that nobody knows because reading fails. Undefined where there is
   * nothing to read, and where a receiver without room keeps it from being read: that is seen at the receiver.
   */
  readonly behind: string | undefined;
}

export interface TransportContext {
  /** The engine's name, for client ids and messages. */
  readonly name: string;
  readonly logger: Logger;
  /** CloudEvents `source`. */
  readonly source: string;
  /**
   * Reports that events may have been missed, as where a connection was lost on a broker that keeps nothing: logs it, and
   * tells the observers.
   */
  missed(data: Omit<MissedData, 'engine'>): void;
}

/** One subscription, as the transport needs to know it. */
export interface ListenRequest {
  readonly subscriptionId: string;
  /** A topic or a pattern. */
  readonly pattern: string;
  readonly isAsync: boolean;
  readonly group: string | undefined;
  readonly from: StartPosition;
  /** Handlers at once. */
  readonly concurrency: number;
}

export interface Listener {
  /** Hands over no more events; may be called twice. Events handed over already may still be settled afterwards. */
  stop(): Promise<void>;
}

/** Where a transport hands over what it received for one subscription. */
export interface Receiver {
  /** How many more events there is room for. Zero or less: hand over no more until `onRoom` is called. */
  readonly capacity: number;
  /** Set by the transport; called each time room appears after there was none. */
  onRoom: (() => void) | undefined;
  /**
   * Set by a transport whose ownership of what it handed over can run out, as a group member's does with its lease. While it
   * returns false, no attempt begins, neither a first one nor a retry. It is asked before each attempt, so it must be cheap and
   * must not throw. Once ownership is confirmed, the transport calls `run`; if it is lost, `withdraw`.
   */
  mayBegin: (() => boolean) | undefined;
  /**
   * Hands one event over; it is queued whatever the capacity, so look at that first.
   *
   * @param previousAttempts - How many attempts at it had begun, by what `begun` was told, when it was last given up without
   *   being settled; 0 where unknown. Each of them counts as used.
   */
  deliver(event: Event, acknowledgement: Acknowledgement, previousAttempts?: number): void;
  /**
   * False for an event that is not for this subscription, because it is another tenant's or is redriven for another group:
   * handed over, it is settled at once. A transport whose `send` waits for room asks first, and waits for no such event.
   */
  wants(event: Event): boolean;
  /**
   * The first half of `deliver`, for a transport that hands one event to several receivers: it enqueues at all of them
   * before it lets the first run, so that an event which a handler publishes stays behind the one it was handling.
   */
  enqueue(event: Event, acknowledgement: Acknowledgement, previousAttempts?: number): void;
  /** The second half of `deliver`: handles what is queued, as far as order, workers and `mayBegin` allow. */
  run(): void;
  /** Hands over a record that is not an event: it becomes a dead letter with its raw bytes. */
  undecodable(record: RawRecord, acknowledgement: Acknowledgement): void;
  /**
   * Releases every event that it was given and whose handler is not running, those that wait for another attempt included: for
   * a transport that is about to lose what it read to another process.
   */
  withdraw(): void;
  /** Counts, reports and (once a second at most) logs an event that there was no room for. */
  drop(event: Event, reason: DropReason): void;
  /**
   * For a `send` that waits for this subscription, as the memory engine's does for sync handlers and for room: asks leave to
   * wait. Not for transports whose `send` waits for a broker only.
   *
   * @returns true: wait. A function: wait, and call it when the wait is over. False: do not wait, because the publisher is a
   *   handler that this subscription itself waits for, and would never go on.
   */
  beginWait(): EndWait | boolean;
}

/** Told exactly once what became of an event that was handed over; possibly after `close`, so it must not throw. */
export interface Acknowledgement {
  /**
   * An attempt is about to begin; its number counts the previous attempts too. For a broker that can remember it until the
   * event is settled, so that an event which ends its process each time runs out of attempts, and one that was only waiting in
   * that process loses none. Called before each attempt, and with one less if the attempt gave the event back without failing,
   * as a `bus.events()` loop that is left does; must not throw.
   */
  begun?(attempt: number): void;
  /** Acknowledge: the event was handled, or its dead letter is written. */
  settled(): void;
  /**
   * Do not acknowledge.
   *
   * @returns true where the event will be delivered again, here or elsewhere; false where it is gone, and counts as
   *   dropped.
   */
  release(): boolean;
}

/** Ends a wait that `beginWait` began. */
export type EndWait = () => void;

/** A record as the broker gave it. */
export interface RawRecord {
  /** The topic it came on. */
  readonly topic: string;
  readonly bytes: Uint8Array;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly key?: string | undefined;
  readonly error: UndecodableRecordError;
}
