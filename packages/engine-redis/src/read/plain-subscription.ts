import type { Acknowledgement, ListenRequest, ReadProgress, Receiver } from '@polybus/core/engine';
import { type Decoded, onceInMicrotask } from '@polybus/core/engine-kit';
import { messageOf } from '../errors.ts';
import { type StreamEntry, decodeEntry } from '../store/stream-entry.ts';
import { compareIds, firstId, timeOf } from '../store/stream-ids.ts';
import type { StreamStore } from '../store/stream-store.ts';

/** The position of a subscription in one topic. */
export interface Cursor {
  readonly topic: string;
  /** The last id that the subscription has received. */
  position: string;
  isCatchingUp: boolean;
  /** It begins with the events that exist, so it has not missed events that were trimmed before. */
  isReplay: boolean;
  /** Why its last read failed. */
  failure: string | undefined;
}

/** What a plain subscription needs of the shared reader. */
export interface LiveReader {
  /** The shared reader's position in a topic; undefined if it does not read the topic. */
  positionOf(topic: string): string | undefined;
  /** A cursor has reached the end: it continues with the shared reader. */
  join(cursor: Cursor): void;
}

const maxCount = 500;
/** The minimum number of events for one of many cursors, if there is room: fewer are not worth a round trip. */
const minCount = 16;
const reason =
  'events were trimmed before this subscription received them; only a group keeps events from being trimmed';

/**
 * A subscription without a group. It follows the shared reader if it can. If it starts in the past or has no room, it reads for itself
 * from its position, so that a slow subscription blocks no other and loses nothing.
 */
export class PlainSubscription {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
  readonly cursors: Map<string, Cursor> = new Map();
  /** Cursors that catch up with reads of their own. The others receive what the shared reader reads. */
  readonly #behind = new Set<Cursor>();
  readonly #store: StreamStore;
  readonly #live: LiveReader;
  readonly #refillAt: number;
  /** Room that reads on their way may fill. */
  #reserved = 0;
  readonly #acknowledgement: Acknowledgement;
  /** The last announcement that the list of topics includes; undefined until the server has returned the list. */
  #newsUntil: string | undefined;
  #earlyNews: StreamEntry[] = [];
  #isStopped = false;

  constructor(request: ListenRequest, receiver: Receiver, store: StreamStore, live: LiveReader) {
    this.request = request;
    this.receiver = receiver;
    this.#store = store;
    this.#live = live;
    // Half a buffer at a time: one event at a time would be one round trip each.
    this.#refillAt = Math.max(1, Math.ceil(receiver.capacity / 2));
    this.#acknowledgement = {
      settled: () => this.#refill(),
      // No other subscription may receive the event instead: the position of a subscription without a group ends with it.
      release: () => {
        this.#refill();
        return false;
      },
    };
    receiver.onRoom = () => this.#refill();
  }

  stop(): void {
    this.#isStopped = true;
    this.receiver.onRoom = undefined;
  }

  /** Whether an announcement is new to this subscription. Announcements that come before the list of topics are kept. */
  isNews(entry: StreamEntry): boolean {
    if (this.#newsUntil !== undefined) return compareIds(entry.id, this.#newsUntil) > 0;
    this.#earlyNews.push(entry);
    return false;
  }

  /** The list of topics has come. Returns the announcements that came before it and are not included. */
  knowsTopicsUntil(id: string): readonly StreamEntry[] {
    this.#newsUntil = id;
    const early = this.#earlyNews.filter((entry) => compareIds(entry.id, id) > 0);
    this.#earlyNews = [];
    return early;
  }

  add(topic: string, position: string, isLive: boolean, isReplay = false): Cursor {
    const cursor: Cursor = { topic, position, isCatchingUp: false, isReplay, failure: undefined };
    this.cursors.set(topic, cursor);
    if (!isLive) {
      this.#behind.add(cursor);
      void this.#catchUp(cursor);
    }
    return cursor;
  }

  /** The cursor no longer receives what the shared reader reads. */
  fallBehind(cursor: Cursor): void {
    this.#behind.add(cursor);
  }

  /** Queues an entry of the shared reader. Returns false if there was no room: the cursor then reads for itself. */
  offer(cursor: Cursor, id: string, decoded: Decoded): boolean {
    if (this.#isStopped || compareIds(id, cursor.position) <= 0) return true;
    if (this.receiver.capacity <= 0) {
      this.fallBehind(cursor);
      return false;
    }
    this.#take(cursor, id, decoded);
    return true;
  }

  #take(cursor: Cursor, id: string, { event, raw }: Decoded): void {
    cursor.position = id;
    cursor.isReplay = false;
    if (event !== undefined) this.receiver.enqueue(event, this.#acknowledgement);
    else this.receiver.undecodable(raw, this.#acknowledgement);
  }

  /** Room that no read on its way may fill. */
  get #room(): number {
    return this.receiver.capacity - this.#reserved;
  }

  #refill(): void {
    if (this.#behind.size > 0 && !this.#isStopped && this.#room >= this.#refillAt) this.#planCatchUp();
  }

  readonly #planCatchUp = onceInMicrotask(() => {
    for (const cursor of this.#behind) void this.#catchUp(cursor);
  });

  /** @param next - The first id after the cursor's position. */
  #reportMissed(cursor: Cursor, trimmed: string, next: string | undefined): void {
    const { topic, position, isReplay } = cursor;
    cursor.isReplay = false;
    if (compareIds(trimmed, position) <= 0) return;
    // The entry was there when it was read, so it was trimmed later.
    if (next !== undefined && compareIds(next, trimmed) <= 0) return;
    cursor.position = trimmed;
    if (isReplay) return;
    const until = timeOf(trimmed);
    this.#store.missed({ topic, since: position === firstId ? until : timeOf(position), until, reason });
  }

  /** The progress of cursors that catch up. Without room they wait, and the receiver reports that. */
  *progress(): Iterable<ReadProgress> {
    if (this.receiver.capacity < this.#refillAt) return;
    const { subscriptionId } = this.request;
    const isRoomReserved = this.#room < this.#refillAt;
    for (const { topic, position, failure, isCatchingUp } of this.#behind) {
      // It waits for the reads of other topics.
      if (isRoomReserved && !isCatchingUp && failure === undefined) continue;
      const source = `the stream of "${topic}" for the subscription ${subscriptionId}`;
      yield { source, position, behind: failure ?? 'it has not been read to its end' };
    }
  }

  /** After the connection was lost. */
  resume(): void {
    this.#refill();
  }

  async #catchUp(cursor: Cursor): Promise<void> {
    if (cursor.isCatchingUp) return;
    cursor.isCatchingUp = true;
    try {
      while (!this.#isStopped && this.#room > 0) {
        const seen = this.#live.positionOf(cursor.topic);
        // The cursors of a pattern share the room.
        const share = Math.max(minCount, Math.ceil(this.#room / this.#behind.size));
        const count = Math.min(this.#room, share, maxCount);
        let read: [StreamEntry[], string];
        // Reserved until the step that queues the entries.
        this.#reserved += count;
        try {
          read = await Promise.all([
            this.#store.range(cursor.topic, cursor.position, count),
            this.#store.trimmedTo(cursor.topic),
          ]);
        } finally {
          this.#reserved -= count;
        }
        const [entries, trimmed] = read;
        if (this.#isStopped) return;
        cursor.failure = undefined;
        this.#reportMissed(cursor, trimmed, entries[0]?.id);
        for (const entry of entries) this.#take(cursor, entry.id, decodeEntry(cursor.topic, entry));
        this.receiver.run();
        // Moves behind the others, so that a topic with many events does not hold up their reads.
        if (this.#behind.delete(cursor)) this.#behind.add(cursor);
        this.#refill();
        const live = this.#live.positionOf(cursor.topic);
        const isPast = live === undefined || compareIds(live, cursor.position) <= 0;
        // If the shared reader has not moved meanwhile, all that it had read has been read here, too.
        if (entries.length < count && (isPast || live === seen)) {
          this.#behind.delete(cursor);
          this.#live.join(cursor);
          return;
        }
      }
    } catch (error) {
      cursor.failure = `its reads fail: ${messageOf(error)}`;
      this.#store.logger.debug?.('catching up failed and is tried again', { error: messageOf(error) });
      // Others can use the room that it had. Cursors whose reads fail wait for `resume`.
      for (const other of this.#behind) if (other.failure === undefined) void this.#catchUp(other);
    } finally {
      cursor.isCatchingUp = false;
    }
  }
}
