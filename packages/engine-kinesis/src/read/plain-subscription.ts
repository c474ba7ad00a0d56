import {
  type Acknowledgement,
  type ListenRequest,
  type Listener,
  type Receiver,
  matchesTopic,
} from '@polybus/core/engine';
import { Cursor } from './cursor.ts';
import { withAncestors } from './lineage.ts';
import type { ShardRecord } from './record.ts';
import type { ShardReaders } from './shard-readers.ts';
import type { ShardInfo } from '../client/stream.ts';

/** A subscription without a group: it gets every event, and its place in each shard ends with it. */
export class PlainSubscription implements Listener {
  readonly request: ListenRequest;
  readonly #receiver: Receiver;
  readonly #readers: ShardReaders;
  readonly #acknowledgement: Acknowledgement;
  readonly #refillAt: number;
  readonly #cursors = new Map<string, Cursor>();
  /** Shards that were seen, whether they are being read, wait for their parents, or are at their end. */
  readonly #known = new Map<string, ShardInfo>();
  readonly #ended = new Set<string>();
  #isStopped = false;
  #isRefillPlanned = false;
  /** A reader has found no room, and waits to be told. */
  #isBlocked = false;

  constructor(request: ListenRequest, receiver: Receiver, readers: ShardReaders) {
    this.request = request;
    this.#receiver = receiver;
    this.#readers = readers;
    this.#refillAt = Math.max(1, Math.ceil(receiver.capacity / 2));
    this.#acknowledgement = {
      settled: () => this.#refill(),
      // Nobody else is to have it: the place of a subscription without a group ends with it.
      release: () => false,
    };
    receiver.onRoom = () => this.#refill();
  }

  get cursors(): Iterable<readonly [shardId: string, cursor: Cursor]> {
    return this.#cursors;
  }

  /** Resolves when its place in every shard is pinned: from there on it misses nothing. */
  async start(): Promise<void> {
    const { from } = this.request;
    const shards = await this.#readers.shards();
    if (from === 'latest') {
      const open = shards.filter(({ isClosed }) => !isClosed);
      for (const shard of open) this.#known.set(shard.id, shard);
      // Set in motion together, once all have their place: a handler could publish.
      const cursors = await Promise.all(open.map((shard) => this.#pin(shard)));
      if (this.#isStopped) return;
      open.forEach((shard, i) => this.#begin(shard, cursors[i]!));
      return;
    }
    for (const shard of shards) this.#known.set(shard.id, shard);
    for (const shard of shards) if (this.#isDue(shard)) this.#begin(shard, this.#cursorFor(shard));
  }

  async #pin(shard: ShardInfo): Promise<Cursor> {
    const cursor = this.#cursorFor(shard);
    cursor.pinned(await this.#readers.pin(shard.id));
    return cursor;
  }

  #cursorFor(shard: ShardInfo): Cursor {
    const { from } = this.request;
    const since = from instanceof Date ? from.getTime() : undefined;
    const owner = {
      isRoomLeft: () => this.#hasRoom(),
      get hasRoom() {
        return this.isRoomLeft();
      },
      take: (record: ShardRecord) => this.#take(record),
      flush: () => this.#receiver.run(),
      ended: (children: readonly ShardInfo[]) => void this.#onEnd(shard.id, children),
      lost: () => this.#onLost(shard.id),
    };
    return new Cursor(owner, { since }, since);
  }

  #hasRoom(): boolean {
    if (this.#isStopped) return false;
    const hasRoom = this.#receiver.capacity > 0;
    if (!hasRoom) this.#isBlocked = true;
    return hasRoom;
  }

  #begin(shard: ShardInfo, cursor: Cursor): void {
    this.#cursors.set(shard.id, cursor);
    this.#readers.add(shard.id, cursor);
  }

  /** Its parents are at their end, or too old to be known. */
  #isDue({ id, parents }: ShardInfo): boolean {
    if (this.#cursors.has(id) || this.#ended.has(id)) return false;
    return parents.every((parent) => !this.#known.has(parent) || this.#ended.has(parent));
  }

  #take(record: ShardRecord): boolean {
    const { pattern } = this.request;
    for (const { event, raw } of record.contents) {
      if (event !== undefined) {
        if (matchesTopic(pattern, event.topic)) this.#receiver.enqueue(event, this.#acknowledgement);
      } else if (matchesTopic(pattern, raw.topic)) this.#receiver.undecodable(raw, this.#acknowledgement);
    }
    return true;
  }

  async #onEnd(shardId: string, children: readonly ShardInfo[]): Promise<void> {
    // Asked for now that the children are there: it has all that came before them.
    const listed = await this.#readers.listed(() => !this.#isStopped);
    if (listed !== undefined) this.#goOn(shardId, children, listed);
  }

  /** The records of a shard are too old by now. What came after it is found in the list. */
  async #onLost(shardId: string): Promise<void> {
    const cursor = this.#cursors.get(shardId);
    const listed = await this.#readers.listed(() => this.#cursors.get(shardId) === cursor);
    // It was only hidden for a moment, or that was a bad answer: its reader goes on asking.
    if (listed === undefined || listed.has(shardId) || this.#cursors.get(shardId) !== cursor) return;
    const unknown = [...listed.values()].filter(({ id }) => !this.#known.has(id));
    this.#goOn(shardId, unknown, listed);
  }

  /** Reads what comes after a shard of which there is no more. */
  #goOn(shardId: string, next: readonly ShardInfo[], listed: ReadonlyMap<string, ShardInfo>): void {
    if (this.#isStopped) return;
    this.#leave(shardId);
    this.#ended.add(shardId);
    for (const shard of withAncestors(next, listed, (id) => this.#known.has(id)))
      this.#known.set(shard.id, shard);
    for (const shard of this.#known.values())
      if (this.#isDue(shard)) this.#begin(shard, this.#cursorFor(shard));
  }

  #leave(shardId: string): void {
    const cursor = this.#cursors.get(shardId);
    this.#cursors.delete(shardId);
    if (cursor !== undefined) this.#readers.remove(shardId, cursor);
  }

  /** Half a buffer at a time. */
  #refill(): void {
    if (!this.#isBlocked || this.#isRefillPlanned || this.#receiver.capacity < this.#refillAt) return;
    this.#isRefillPlanned = true;
    queueMicrotask(() => {
      this.#isRefillPlanned = this.#isBlocked = false;
      for (const shardId of this.#cursors.keys()) this.#readers.wake(shardId);
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#receiver.onRoom = undefined;
    for (const shardId of [...this.#cursors.keys()]) this.#leave(shardId);
  }
}
