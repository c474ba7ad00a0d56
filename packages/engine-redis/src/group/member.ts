import type { ListenRequest, ReadProgress, Receiver } from '@polybus/core/engine';
import { previousAttempts } from './attempt-count.ts';
import { briefly } from '../client/briefly.ts';
import type { Connection } from '../client/connection.ts';
import { isAnswer, isError, messageOf } from '../errors.ts';
import { GroupLease } from './lease.ts';
import { GroupPlace } from './place.ts';
import { type StreamEntry, decodeEntry } from '../store/stream-entry.ts';
import { type GroupRead, type StreamStore, isGone } from '../store/stream-store.ts';

const done = Promise.resolve();
/** How many entries one read brings at most. */
const maxCount = 256;
/** How many a read brings that waits behind a blocking one, and how much of the room it may reserve meanwhile. */
const maxFollowing = 64;
const followingShare = 4;

/**
 * One subscription in a consumer group: a consumer of its own, so that what holds between processes holds between
 * subscriptions. It reads only what it has room for.
 */
export class GroupMember {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
  readonly group: string;
  readonly consumer: string;
  readonly places: Map<string, GroupPlace> = new Map();
  readonly lease: GroupLease;
  readonly #store: StreamStore;
  readonly #interrupt: () => void;
  readonly #refillAt: number;
  /** Room that reads on their way will fill. */
  #reserved = 0;
  #unsettled = 0;
  /** Changes when entries are released or lost. An answer to an earlier read may contain later entries of their keys. */
  #releases = 0;
  #isStopped = false;
  #isEnded = false;
  #isRefillPlanned = false;
  readonly #ended: Promise<void>;
  #end!: () => void;

  /** @param interrupt - Makes the blocking reader look again what to wait for. */
  constructor(
    request: ListenRequest,
    receiver: Receiver,
    consumer: string,
    store: StreamStore,
    interrupt: () => void,
  ) {
    this.request = request;
    this.receiver = receiver;
    this.group = request.group!;
    this.consumer = consumer;
    this.#store = store;
    this.#interrupt = interrupt;
    this.#refillAt = Math.max(1, Math.ceil(receiver.capacity / 2));
    this.#ended = new Promise((resolve) => (this.#end = resolve));
    this.lease = new GroupLease({
      places: this.places,
      durationMs: store.options.claimIdleMs,
      onBeat: (place) => this.#beaten(place),
      onRefused: (places) => this.#refused(places),
      onRenewed: () => receiver.run(),
    });
    receiver.onRoom = () => this.#refill();
    receiver.mayBegin = this.lease.holds;
  }

  add(topic: string): void {
    if (this.places.has(topic)) return;
    const place = new GroupPlace(topic, this.group, this.consumer, this.#store, this.#left);
    this.places.set(topic, place);
  }

  /** Reads what there is, as far as there is room. */
  poll(topic: string): Promise<void> {
    const place = this.places.get(topic);
    if (place === undefined || this.#isStopped) return done;
    place.isPollWanted = true;
    // The read that waits behind the blocking one is over soon after that.
    if (place.isFollowing) this.#interrupt();
    else place.end = undefined;
    return this.#start(place);
  }

  /** The blocking reader has seen something new: reads, unless a read has followed the blocking one by itself. */
  wake(topic: string, round: number): Promise<void> | undefined {
    return this.places.get(topic)?.followedIn === round ? undefined : this.poll(topic);
  }

  /** Something was passed on to this consumer, or left behind: looks for it, unless the read that follows does. */
  rung(topic: string): void {
    const place = this.places.get(topic);
    if (place?.isFollowing === true) place.isLookDue = true;
    else void this.poll(topic);
  }

  /**
   * Sends a read behind a blocking one, on its connection: the server carries it out as soon as that one is over, so that an
   * event takes one round trip. Nothing is sent where there is nothing to wait for, or no room.
   *
   * @param share - Of how many such reads this is one.
   */
  follow(topic: string, round: number, share: number, connection: Connection): Promise<void> | undefined {
    const place = this.places.get(topic);
    if (place === undefined || this.#isStopped || place.isInDoubt) return undefined;
    if (place.acknowledger.isGivingBack) return undefined;
    if (place.end === undefined || place.polling !== undefined) return undefined;
    const count = Math.min(Math.floor(this.#room / (followingShare * share)), maxFollowing);
    if (count < 1) return undefined;
    place.followedIn = round;
    place.isFollowing = place.isPollWanted = true;
    const reading = this.#read(place, count, connection);
    const polling = this.#start(place, () => this.#followed(place, reading));
    // What it leaves is read at once.
    return reading.then(
      () => (place.end === undefined ? briefly(polling) : undefined),
      () => {},
    );
  }

  async #followed(place: GroupPlace, reading: Promise<void>): Promise<void> {
    try {
      await reading;
    } catch (error) {
      if (!isError(error, 'NOSCRIPT')) throw error;
      place.end = undefined;
    } finally {
      place.isFollowing = false;
    }
    if (place.end === undefined || place.isLookDue) place.isPollWanted = true;
  }

  #start(place: GroupPlace, first?: () => Promise<void>): Promise<void> {
    return (place.polling ??= this.#poll(place, first));
  }

  async #poll(place: GroupPlace, first?: () => Promise<void>): Promise<void> {
    let read = first;
    while (place.isPollWanted && !this.#isStopped) {
      place.isPollWanted = false;
      try {
        await (read === undefined ? this.#drain(place) : read());
      } catch (error) {
        place.isInDoubt = true;
        place.end = undefined;
        if (isGone(error)) await place.recreate();
        else place.debug('a group read failed and is tried again', error);
        place.failure = messageOf(error);
      }
      read = undefined;
    }
    // In the same step: a poll that is wanted from now on is one of its own.
    place.polling = undefined;
    if (place.end !== undefined && !this.#isStopped) this.#interrupt();
  }

  async #drain(place: GroupPlace): Promise<void> {
    if (place.isInDoubt) await this.#reconcile(place);
    while (!place.isRefused) {
      // What comes after it of the same key must not be read before.
      if (place.acknowledger.isGivingBack) await place.acknowledger.flush();
      const count = Math.min(this.#room, maxCount);
      place.isOutOfRoom = count <= 0;
      if (place.isOutOfRoom || this.#isStopped) return;
      await this.#read(place, count);
      if (place.end !== undefined || place.isHeld) return;
    }
  }

  /** How many more entries there is room for. */
  get #room(): number {
    return this.receiver.capacity - this.#reserved;
  }

  async #read(place: GroupPlace, count: number, behind?: Connection): Promise<void> {
    const { topic, cursor } = place;
    // What another consumer may have died of counts as begun when it is read: so only what can begin at once.
    const again = Math.max(0, this.request.concurrency - this.#unsettled);
    const inHand = again > 0 ? place.keys : [];
    const { group, consumer } = this;
    const releases = this.#releases;
    this.#reserved += count;
    let read: GroupRead;
    try {
      read = await this.#store.readGroup(
        { topic, group, consumer, count, again, newFirst: behind !== undefined, inHand, cursor },
        behind,
      );
    } finally {
      this.#reserved -= count;
    }
    place.reads++;
    place.failure = undefined;
    place.end = read.end;
    place.isHeld = read.isHeld;
    if (read.hasLooked) place.isLookDue = false;
    place.cursor = read.cursor;
    // Last: what settles at once has to see whether more is held.
    this.#hand(place, read.entries, releases);
  }

  /** @param releases - `#releases` as of when the server was asked for the entries. */
  #hand(place: GroupPlace, entries: readonly StreamEntry[], releases: number): void {
    for (const entry of entries) {
      if (place.regain(entry.id)) continue;
      // What comes before it of the same key may have been given back meanwhile.
      if (this.#isStopped || place.isRefused || releases !== this.#releases) {
        place.refuse(entry);
        continue;
      }
      this.#unsettled++;
      const acknowledgement = place.take(entry);
      const { event, raw } = decodeEntry(place.topic, entry);
      if (event !== undefined) this.receiver.enqueue(event, acknowledgement, previousAttempts(entry));
      else this.receiver.undecodable(raw, acknowledgement);
    }
    if (entries.length > 0) this.receiver.run();
  }

  readonly #left = (isReleased: boolean): void => {
    if (isReleased) this.#releases++;
    this.#unsettled--;
    if (this.#isStopped) this.#endWhenIdle();
    else this.#refill();
  };

  /** Finds the entries that the server gave us in an answer that was lost, and gives up what it has given to others. */
  async #reconcile(place: GroupPlace): Promise<void> {
    const releases = this.#releases;
    const { unknown, gone } = await place.ask();
    if (place.lose(gone)) {
      this.#releases++;
      this.receiver.withdraw();
      const about = { topic: place.topic, group: this.group };
      this.#store.logger.warn('others have taken over what was handed to a consumer', about);
    }
    this.#hand(place, unknown, releases);
    this.lease.confirmed(place);
  }

  #refill(): void {
    if (this.#isRefillPlanned || this.#isStopped) return;
    if (this.#room < this.#refillAt) return;
    this.#isRefillPlanned = true;
    queueMicrotask(() => {
      this.#isRefillPlanned = false;
      this.resume();
    });
  }

  /** Goes on with the topics where something may be left. */
  resume(): void {
    for (const place of this.places.values()) if (place.end === undefined) this.#resume(place);
  }

  #resume(place: GroupPlace): void {
    if (place.polling === undefined) void this.poll(place.topic);
    // The read under way ends where there was no room, or where the rest is held, and does not look again by itself.
    else if (place.isOutOfRoom || place.isHeld) place.isPollWanted = true;
  }

  *progress(): Iterable<ReadProgress> {
    const whose = `the subscription ${this.request.subscriptionId} of the group "${this.group}"`;
    for (const { topic, reads, behind } of this.places.values())
      if (behind !== undefined)
        yield { source: `the stream of "${topic}" for ${whose}`, position: reads, behind };
  }

  /** After a connection was lost, with answers on their way. */
  doubt(): void {
    for (const place of this.places.values()) {
      place.isInDoubt = true;
      void this.poll(place.topic);
    }
  }

  #beaten(place: GroupPlace): void {
    // What was not confirmed is sent again.
    place.acknowledger.flush().catch(() => {});
    // Bells may be lost, and then only this finds what they rang for.
    place.isLookDue = true;
    if (place.isInDoubt || !place.isFollowing) void this.poll(place.topic);
  }

  /** Gives back what has not begun: the topics share a queue, and events of the refused ones must not begin. */
  #refused(places: readonly GroupPlace[]): void {
    const topics = places.map(({ topic }) => topic);
    const message = 'the server refuses a group member some topics; the member continues with its others';
    this.#store.logger.warn(message, { group: this.group, topics, error: places[0]?.failure });
    if (!places.some(({ holdsAny }) => holdsAny)) return;
    this.#releases++;
    this.receiver.withdraw();
  }

  /** Takes no more. What was handed over may still be settled; the consumer ends with the last of it. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.receiver.onRoom = undefined;
    // What waits behind a blocking read would read for a consumer that has ended.
    for (const { isFollowing } of this.places.values()) if (isFollowing) this.#interrupt();
    this.#endWhenIdle();
  }

  /** Resolves when the consumer has ended. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  #endWhenIdle(): void {
    if (this.#unsettled > 0 || this.#isEnded) return;
    this.#isEnded = true;
    this.lease.end();
    void this.#leave();
  }

  async #leave(): Promise<void> {
    const leave = (): Promise<unknown> =>
      Promise.all([...this.places.values()].map((place) => place.leave()));
    try {
      await leave().catch((error: unknown) => {
        if (isAnswer(error)) throw error;
        // What was on its way when the connection was lost goes once more over the next one.
        return leave();
      });
    } catch (error) {
      // Others will find that it is silent, and take what it has.
      this.#store.logger.debug?.('a consumer could not end', { error: messageOf(error) });
    } finally {
      this.#end();
    }
  }
}
