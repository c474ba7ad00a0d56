import type { Acknowledgement, ListenRequest, Receiver } from '@polybus/core';
import { Acknowledger } from './acknowledger.ts';
import { messageOf } from './errors.ts';
import { type StreamEntry, decodeEntry, keyOf } from './stream-entry.ts';
import { compareIds, firstId } from './stream-ids.ts';
import { type GivenBack, type StreamStore, isError } from './stream-store.ts';

/** A member's place in one topic. */
interface Place {
  readonly topic: string;
  readonly acknowledger: Acknowledger;
  /** Ids that were handed over and are not settled. */
  readonly unsettled: Set<string>;
  /** How many of them have a key, by that. */
  readonly keys: Map<string, number>;
  /** Came after the end, behind others of their key that are still being handled. */
  readonly late: GivenBack[];
  /** The highest id that this member has had. */
  cursor: string;
  /** Nothing was left to read after this id; undefined where there may be something. */
  end: string | undefined;
  polling: Promise<void> | undefined;
  isPollWanted: boolean;
  /** An answer was lost: entries may be ours without our knowing. */
  isInDoubt: boolean;
}

const maxCount = 256;

/**
 * One subscription in a consumer group: a consumer of its own, so that what holds between processes holds between
 * subscriptions. It reads only what it has room for.
 */
export class GroupMember {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
  readonly group: string;
  readonly consumer: string;
  readonly places: Map<string, Place> = new Map();
  readonly #store: StreamStore;
  readonly #onDrained: () => void;
  readonly #refillAt: number;
  /** Room that reads on their way will fill. */
  #reserved = 0;
  #unsettled = 0;
  #isStopped = false;
  #isEnded = false;
  #isRefillPlanned = false;
  readonly #ended: Promise<void>;
  #end!: () => void;

  /** @param onDrained - Told when a topic has nothing left, so that the next event is waited for. */
  constructor(
    request: ListenRequest,
    receiver: Receiver,
    consumer: string,
    store: StreamStore,
    onDrained: () => void,
  ) {
    this.request = request;
    this.receiver = receiver;
    this.group = request.group!;
    this.consumer = consumer;
    this.#store = store;
    this.#onDrained = onDrained;
    this.#refillAt = Math.max(1, Math.ceil(receiver.capacity / 2));
    this.#ended = new Promise((resolve) => (this.#end = resolve));
    receiver.onRoom = () => this.#refill();
  }

  add(topic: string): void {
    if (this.places.has(topic)) return;
    const place = { topic, group: this.group, consumer: this.consumer };
    this.places.set(topic, {
      topic,
      acknowledger: new Acknowledger(this.#store, place),
      unsettled: new Set(),
      keys: new Map(),
      late: [],
      cursor: firstId,
      end: undefined,
      polling: undefined,
      isPollWanted: false,
      isInDoubt: false,
    });
  }

  /** Reads what there is, as far as there is room. */
  poll(topic: string): Promise<void> {
    const place = this.places.get(topic);
    if (place === undefined || this.#isStopped) return Promise.resolve();
    place.isPollWanted = true;
    place.end = undefined;
    return (place.polling ??= this.#poll(place).finally(() => (place.polling = undefined)));
  }

  async #poll(place: Place): Promise<void> {
    while (place.isPollWanted && !this.#isStopped) {
      place.isPollWanted = false;
      try {
        await this.#drain(place);
      } catch (error) {
        place.isInDoubt = true;
        if (isError(error, 'NOGROUP') || isError(error, 'no such key')) await this.#recreate(place);
        else
          this.#store.logger.debug?.('a group read failed and is tried again', { error: messageOf(error) });
      }
    }
    if (place.end !== undefined && !this.#isStopped) this.#onDrained();
  }

  async #drain(place: Place): Promise<void> {
    const { topic } = place;
    if (place.isInDoubt) await this.#reconcile(place);
    for (;;) {
      const count = Math.min(this.receiver.capacity - this.#reserved, maxCount);
      if (count <= 0 || this.#isStopped) return;
      this.#reserved += count;
      let entries: readonly StreamEntry[];
      let end: string | undefined;
      try {
        ({ entries, end } = await this.#store.readGroup(
          topic,
          this.group,
          this.consumer,
          count,
          place.cursor,
        ));
      } finally {
        this.#reserved -= count;
      }
      this.#hand(place, entries);
      if (end !== undefined) {
        place.end = end;
        return;
      }
    }
  }

  #hand(place: Place, entries: readonly StreamEntry[]): void {
    for (const entry of entries) {
      const { id } = entry;
      if (compareIds(id, place.cursor) > 0) place.cursor = id;
      if (place.unsettled.has(id)) continue;
      if (this.#isStopped) {
        this.#tooLate(place, entry);
        continue;
      }
      const acknowledgement = this.#acknowledgement(place, entry);
      const { event, raw } = decodeEntry(place.topic, entry);
      // It may never have begun to be handled when it was lost the first time: that time is not held against it.
      if (event !== undefined)
        this.receiver.enqueue(event, acknowledgement, Math.max(0, entry.deliveries - 2));
      else this.receiver.undecodable(raw, acknowledgement);
    }
    if (entries.length > 0) this.receiver.run();
  }

  #acknowledgement(place: Place, entry: StreamEntry): Acknowledgement {
    const { id } = entry;
    const key = keyOf(entry);
    place.unsettled.add(id);
    this.#unsettled++;
    if (key !== '') place.keys.set(key, (place.keys.get(key) ?? 0) + 1);
    const left = (): void => {
      place.unsettled.delete(id);
      this.#unsettled--;
      if (key !== '') {
        const others = place.keys.get(key)! - 1;
        if (others === 0) place.keys.delete(key);
        else place.keys.set(key, others);
      }
      if (this.#isStopped) this.#endWhenIdle();
      else this.#refill();
    };
    return {
      settled: () => {
        place.acknowledger.settled(id, key);
        left();
      },
      release: () => {
        place.acknowledger.giveBack(givenBack(entry));
        left();
        return true;
      },
    };
  }

  #tooLate(place: Place, entry: StreamEntry): void {
    // Not beside others of its key that are being handled here.
    if (place.keys.has(keyOf(entry))) place.late.push(givenBack(entry));
    else place.acknowledger.giveBack(givenBack(entry));
  }

  /** Finds the entries that the server gave us in an answer that was lost. */
  async #reconcile(place: Place): Promise<void> {
    const { topic } = place;
    await place.acknowledger.flush();
    const pending = await this.#store.pending(topic, this.group, this.consumer);
    const unknown = pending.filter((id) => !place.unsettled.has(id));
    const entries = await this.#store.claim(topic, this.group, this.consumer, unknown);
    place.isInDoubt = false;
    this.#hand(place, entries);
  }

  /** The group went with all the data, or with a failover: whatever the stream holds now is new to the group. */
  async #recreate(place: Place): Promise<void> {
    try {
      await this.#store.createGroup(place.topic, this.group, firstId);
      this.#store.logger.warn(
        'a consumer group was gone and has been created again from the beginning of its stream',
        {
          topic: place.topic,
          group: this.group,
        },
      );
      place.isPollWanted = true;
    } catch (error) {
      this.#store.logger.debug?.('a group could not be created', { error: messageOf(error) });
    }
  }

  #refill(): void {
    if (this.#isRefillPlanned || this.#isStopped) return;
    if (this.receiver.capacity - this.#reserved < this.#refillAt) return;
    this.#isRefillPlanned = true;
    queueMicrotask(() => {
      this.#isRefillPlanned = false;
      this.resume();
    });
  }

  /** Goes on with the topics where something may be left. */
  resume(): void {
    for (const place of this.places.values()) {
      if (place.end === undefined && place.polling === undefined) void this.poll(place.topic);
    }
  }

  /** After a connection was lost, with answers on their way. */
  doubt(): void {
    for (const place of this.places.values()) {
      place.isInDoubt = true;
      void this.poll(place.topic);
    }
  }

  /** Tells the groups that we live, and sends again what was not confirmed. */
  async beat(): Promise<void> {
    for (const place of this.places.values()) {
      if (this.#isEnded) return;
      await this.#store.beat(place.topic, this.group, this.consumer);
      await place.acknowledger.flush();
      void this.poll(place.topic);
    }
  }

  /** Takes no more. What was handed over may still be settled; the consumer ends with the last of it. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.receiver.onRoom = undefined;
    this.#endWhenIdle();
  }

  /** Resolves when the consumer has ended. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  #endWhenIdle(): void {
    if (this.#unsettled > 0 || this.#isEnded) return;
    this.#isEnded = true;
    void this.#leave();
  }

  async #leave(): Promise<void> {
    try {
      await Promise.all(
        [...this.places.values()].map(async ({ topic, acknowledger, polling, late }) => {
          await polling;
          for (const entry of late) acknowledger.giveBack(entry);
          await acknowledger.flush();
          await this.#store.leave(topic, this.group, this.consumer);
        }),
      );
    } catch (error) {
      // Others will find that it is silent, and take what it has.
      this.#store.logger.debug?.('a consumer could not end', { error: messageOf(error) });
    } finally {
      this.#end();
    }
  }
}

/** An entry as it was before this delivery. */
function givenBack(entry: StreamEntry): GivenBack {
  return { id: entry.id, deliveries: Math.max(0, entry.deliveries - 1), key: keyOf(entry) };
}
