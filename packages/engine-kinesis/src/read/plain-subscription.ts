import {
  type Acknowledgement,
  type ListenRequest,
  type Listener,
  type Receiver,
  matchesTopic,
} from '@polybus/core/engine';
import { onceInMicrotask } from '@polybus/core/engine-kit';
import { Cursor } from './cursor.ts';
import { withAncestors } from './lineage.ts';
import type { ShardRecord } from './record.ts';
import type { ShardReaders } from './shard-readers.ts';
import type { ShardInfo } from '../client/shard.ts';

/** A subscription without a group: it gets every event. Its position in each shard is lost when it ends. */
export class PlainSubscription implements Listener {
  readonly request: ListenRequest;
  readonly #receiver: Receiver;
  readonly #readers: ShardReaders;
  readonly #acknowledgement: Acknowledgement;
  readonly #refillAt: number;
  readonly #cursors = new Map<string, Cursor>();
  /** All known shards: shards that are read, shards that wait for their parents, and shards at their end. */
  readonly #known = new Map<string, ShardInfo>();
  readonly #ended = new Set<string>();
  #isStopped = false;
  #hasStartedOver = false;
  /** A reader has found no room, and waits for a wake-up. */
  #isBlocked = false;

  constructor(request: ListenRequest, receiver: Receiver, readers: ShardReaders) {
    this.request = request;
    this.#receiver = receiver;
    this.#readers = readers;
    this.#refillAt = Math.max(1, Math.ceil(receiver.capacity / 2));
    this.#acknowledgement = {
      settled: () => this.#refill(),
      // No other subscription takes the event over.
      release: () => false,
    };
    receiver.onRoom = () => this.#refill();
  }

  get cursors(): Iterable<readonly [shardId: string, cursor: Cursor]> {
    return this.#cursors;
  }

  /** Resolves when the position in every shard is known: the subscription gets every event from there. */
  async start(): Promise<void> {
    const { from } = this.request;
    const shards = await this.#readers.shards();
    if (from === 'latest') {
      const open = shards.filter(({ isClosed }) => !isClosed);
      for (const shard of open) this.#known.set(shard.id, shard);
      // Reading begins once all shards have their position: a handler could publish.
      const cursors = await Promise.all(open.map((shard) => this.#cursorAtEnd(shard)));
      if (this.#isStopped || this.#hasStartedOver) return;
      open.forEach((shard, i) => this.#begin(shard, cursors[i]!));
      return;
    }
    if (this.#isStopped || this.#hasStartedOver) return;
    for (const shard of shards) this.#known.set(shard.id, shard);
    this.#beginDue();
  }

  /** Continues with the first records of another stream of the same name. */
  async startOver(): Promise<void> {
    this.#hasStartedOver = true;
    for (const shardId of [...this.#cursors.keys()]) this.#leave(shardId);
    this.#known.clear();
    this.#ended.clear();
    const listed = await this.#readers.listed(() => !this.#isStopped);
    if (listed === undefined || this.#isStopped) return;
    for (const shard of listed.values()) this.#known.set(shard.id, shard);
    this.#beginDue();
  }

  async #cursorAtEnd(shard: ShardInfo): Promise<Cursor> {
    const cursor = this.#cursorFor(shard);
    cursor.startAtEnd(await this.#readers.endOf(shard.id));
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
      shardEnded: (children: readonly ShardInfo[]) => void this.#onShardEnded(shard.id, children),
      shardGone: () => this.#onShardGone(shard.id),
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

  /** The shard can be read now: its parents are at their end, or too old to be known. */
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

  async #onShardEnded(shardId: string, children: readonly ShardInfo[]): Promise<void> {
    const cursor = this.#cursors.get(shardId);
    // Listed after the children appeared, so that it contains every shard before them.
    const listed = await this.#readers.listed(() => this.#cursors.get(shardId) === cursor);
    if (listed !== undefined && this.#cursors.get(shardId) === cursor)
      this.#readNext(shardId, children, listed);
  }

  /** The records of the shard have expired. The list shows which shards came after it. */
  async #onShardGone(shardId: string): Promise<void> {
    const cursor = this.#cursors.get(shardId);
    const listed = await this.#readers.listed(() => this.#cursors.get(shardId) === cursor);
    // If the shard is listed, the error was temporary, and its reader retries.
    if (listed === undefined || listed.has(shardId) || this.#cursors.get(shardId) !== cursor) return;
    const unknown = [...listed.values()].filter(({ id }) => !this.#known.has(id));
    this.#readNext(shardId, unknown, listed);
  }

  /** Reads the shards that come after a shard that ended or is gone. */
  #readNext(shardId: string, next: readonly ShardInfo[], listed: ReadonlyMap<string, ShardInfo>): void {
    if (this.#isStopped) return;
    this.#leave(shardId);
    this.#ended.add(shardId);
    for (const shard of withAncestors(next, listed, (id) => this.#known.has(id)))
      this.#known.set(shard.id, shard);
    this.#beginDue();
  }

  #beginDue(): void {
    for (const shard of this.#known.values())
      if (this.#isDue(shard)) this.#begin(shard, this.#cursorFor(shard));
  }

  #leave(shardId: string): void {
    const cursor = this.#cursors.get(shardId);
    this.#cursors.delete(shardId);
    if (cursor !== undefined) this.#readers.remove(shardId, cursor);
  }

  /** Wakes the blocked readers once half of the buffer is free. */
  #refill(): void {
    if (this.#isBlocked && this.#receiver.capacity >= this.#refillAt) this.#wakeReaders();
  }

  readonly #wakeReaders = onceInMicrotask(() => {
    this.#isBlocked = false;
    for (const shardId of this.#cursors.keys()) this.#readers.wake(shardId);
  });

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#receiver.onRoom = undefined;
    for (const shardId of [...this.#cursors.keys()]) this.#leave(shardId);
  }
}
