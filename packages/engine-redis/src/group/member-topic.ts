import { settlesWithin } from '@polybus/core/engine-kit';
import type { Connection } from '../client/connection.ts';
import { isAnswer, isError, isGroupMissing, messageOf } from '../errors.ts';
import type { StreamEntry } from '../store/stream-entry.ts';
import { firstId } from '../store/stream-ids.ts';
import type { StreamStore } from '../store/stream-store.ts';
import { Acknowledger } from './acknowledger.ts';
import { ConsumerCommands, type GroupRead } from './consumer-commands.ts';
import { HeldEntries } from './held-entries.ts';
import type { HeartbeatResult, LeasedTopic } from './member-lease.ts';
import type { TopicOwner } from './topic-owner.ts';

const done = Promise.resolve();
/** The maximum number of entries of one read. */
const maxCount = 256;
/** The maximum number of entries of a read that waits behind a blocking one, and the share of the room that it reserves meanwhile. */
const maxFollowing = 64;
const followingShare = 4;
/** How long a blocking reader waits for reads of members before it watches their other topics meanwhile. */
export const readWaitMs = 5;

/** One topic of a group member: reads entries as far as the member has room, and compares them with the server's after a failure. */
export class MemberTopic implements LeasedTopic {
  readonly topic: string;
  isRefused = false;
  readonly #member: TopicOwner;
  readonly #store: StreamStore;
  readonly #commands: ConsumerCommands;
  readonly #acknowledger: Acknowledger;
  readonly #held: HeldEntries;
  /** The highest id that this consumer has read, as its last read returned it. */
  #cursor: string = firstId;
  /** The id after which the group begins if it does not exist: the server may have refused to create it. */
  #after: string;
  #end: string | undefined;
  #polling: Promise<void> | undefined;
  #isPollWanted = false;
  /** The last read was not made, because there was no room. */
  #isOutOfRoom = false;
  #reads = 0;
  /** Why the last read failed. */
  #failure: string | undefined;
  /** There is more to read, but only after an entry is settled here. */
  #isWaitingToSettle = false;
  /** The read that is on its way waits behind a blocking one. */
  #isFollowing = false;
  /** Others may have passed on entries or left some behind. A read that takes new entries first does not look for these. */
  #isLookDue = false;
  /** The round of the blocking reader behind which this topic has sent a read. */
  #followedIn = 0;
  /** An answer was lost, so entries may be pending for this consumer that it does not know. */
  #isUncertain = false;

  constructor(topic: string, member: TopicOwner, store: StreamStore, after: string = firstId) {
    this.topic = topic;
    this.#after = after;
    this.#member = member;
    this.#store = store;
    this.#commands = new ConsumerCommands(store, topic, member.group, member.consumer);
    this.#acknowledger = new Acknowledger(this.#commands, store.logger);
    this.#held = new HeldEntries(this.#acknowledger, (isReleased) => member.removed(isReleased));
  }

  /** The stream's last id if nothing is left to read; undefined if there may be more. */
  get end(): string | undefined {
    return this.#end;
  }

  get isHolding(): boolean {
    return !this.#held.isEmpty;
  }

  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** How many reads have succeeded. */
  get reads(): number {
    return this.#reads;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  /** Why entries are left to read. Entries that wait for room or for others to settle count as pending at the receiver instead. */
  get behind(): string | undefined {
    if (this.#end !== undefined) return undefined;
    if (this.#failure !== undefined) return `its reads fail: ${this.#failure}`;
    return this.#isWaitingToSettle || this.#isOutOfRoom ? undefined : 'it has not been read to its end';
  }

  /** Reads until nothing is left or there is no more room. */
  poll(): Promise<void> {
    if (this.#member.isStopped) return done;
    this.#isPollWanted = true;
    // The read that waits behind the blocking one returns soon after that.
    if (this.#isFollowing) this.#member.interrupt();
    else this.#end = undefined;
    return this.#start();
  }

  /** Continues reading if something may be left. */
  resume(): void {
    if (this.#end !== undefined) return;
    if (this.#polling === undefined) void this.poll();
    // The read that is on its way ends without looking again if there is no room, or if the rest has to wait.
    else if (this.#isOutOfRoom || this.#isWaitingToSettle) this.#isPollWanted = true;
  }

  /** The blocking reader has found new entries: reads them, unless a read was already sent behind the blocking one. */
  wake(round: number): Promise<void> | undefined {
    return this.#followedIn === round ? undefined : this.poll();
  }

  /** Others have passed on entries to this consumer, or left some behind: reads them, unless the read behind the blocking one will. */
  look(): void {
    if (this.#isFollowing) this.#isLookDue = true;
    else void this.poll();
  }

  /**
   * Sends a read behind a blocking one, on its connection. The server carries it out as soon as the blocking one has returned, so
   * that an event needs one round trip. Sends nothing if the topic is not read to its end, or if there is no room.
   *
   * @param share - The number of such reads, which share the room.
   */
  follow(round: number, share: number, connection: Connection): Promise<void> | undefined {
    const member = this.#member;
    if (member.isStopped || this.#isUncertain || this.#acknowledger.isGivingBack) return undefined;
    if (this.#end === undefined || this.#polling !== undefined) return undefined;
    const count = Math.min(Math.floor(member.room / (followingShare * share)), maxFollowing);
    if (count < 1) return undefined;
    this.#followedIn = round;
    this.#isFollowing = this.#isPollWanted = true;
    const reading = this.#read(count, connection);
    const polling = this.#start(() => this.#followed(reading));
    // Entries that it leaves are read at once.
    return reading.then(
      async () => {
        if (this.#end === undefined) await settlesWithin(polling, readWaitMs);
      },
      () => {},
    );
  }

  async #followed(reading: Promise<void>): Promise<void> {
    try {
      await reading;
    } catch (error) {
      if (!isError(error, 'NOSCRIPT')) throw error;
      this.#end = undefined;
    } finally {
      this.#isFollowing = false;
    }
    if (this.#end === undefined || this.#isLookDue) this.#isPollWanted = true;
  }

  #start(first?: () => Promise<void>): Promise<void> {
    return (this.#polling ??= this.#poll(first));
  }

  async #poll(first?: () => Promise<void>): Promise<void> {
    let read = first;
    while (this.#isPollWanted && !this.#member.isStopped) {
      this.#isPollWanted = false;
      try {
        await (read === undefined ? this.#drain() : read());
      } catch (error) {
        this.#isUncertain = true;
        this.#end = undefined;
        if (isGroupMissing(error)) await this.#recreateGroup();
        else this.#debug('a group read failed and is tried again', error);
        this.#failure = messageOf(error);
      }
      read = undefined;
    }
    // In the same step: a poll that is requested from now on starts a new loop.
    this.#polling = undefined;
    if (this.#end !== undefined && !this.#member.isStopped) this.#member.interrupt();
  }

  async #drain(): Promise<void> {
    const member = this.#member;
    if (this.#isUncertain) await this.#reconcile();
    while (!this.isRefused) {
      // Later entries of the same keys must not be read before these are given back.
      if (this.#acknowledger.isGivingBack) await this.#acknowledger.flush();
      const count = Math.min(member.shareOf(this), maxCount);
      this.#isOutOfRoom = count <= 0;
      if (this.#isOutOfRoom || member.isStopped) return;
      await this.#read(count);
      if (this.#end !== undefined || this.#isWaitingToSettle) return;
    }
  }

  async #read(count: number, behind?: Connection): Promise<void> {
    const member = this.#member;
    // A consumer may have died of an entry that it left behind, so reading it counts as an attempt: no more than can begin at once.
    const again = member.freeHandlers;
    const inHand = again > 0 ? this.#held.keys : [];
    const { releases } = member;
    const cursor = this.#cursor;
    member.reserve(count);
    let read: GroupRead;
    try {
      read = await this.#commands.read(
        { count, again, newFirst: behind !== undefined, inHand, cursor },
        behind,
      );
    } finally {
      member.reserve(-count);
    }
    this.#reads++;
    // The group exists. If it is missing from now on, it was lost.
    this.#after = firstId;
    this.#failure = undefined;
    this.#end = read.end;
    this.#isWaitingToSettle = read.isHeld;
    if (read.hasLooked) this.#isLookDue = false;
    this.#cursor = read.cursor;
    // Last: an event that settles at once has to see whether there is more.
    this.#hand(read.entries, releases);
  }

  /** @param releases - The member's number when the server was asked for the entries. */
  #hand(entries: readonly StreamEntry[], releases: number): void {
    const member = this.#member;
    for (const entry of entries) {
      if (this.#held.regain(entry.id)) continue;
      // Earlier entries of the same key may have been given back meanwhile.
      const isLate = member.isStopped || this.isRefused || releases !== member.releases;
      if (isLate) this.#held.refuse(entry);
      else member.enqueue(this.topic, entry, this.#held.take(entry));
    }
    if (entries.length > 0) member.run();
  }

  /** Finds entries that the server delivered in an answer that was lost, and gives up those that others have taken over. */
  async #reconcile(): Promise<void> {
    const member = this.#member;
    const { releases } = member;
    await this.#acknowledger.flush();
    // Before the command is sent: if a heartbeat finds meanwhile that the lease had ended, the answer may be older than that.
    this.#isUncertain = false;
    // Also before: an entry that settles meanwhile is pending in the answer.
    const known = this.#held.pending;
    const { missing, gone } = await this.#commands.comparePending(known);
    // The server may have restarted with older data, and deliver again what comes before this id.
    this.#cursor = firstId;
    if (this.#held.lose(gone)) {
      member.withdraw();
      const fields = { topic: this.topic, group: member.group };
      this.#store.logger.warn('other consumers have taken over entries of a group member', fields);
    }
    this.#hand(missing, releases);
    member.confirmed(this);
  }

  /** After a connection was lost, with answers on their way. */
  reconnected(): void {
    this.#isUncertain = true;
    void this.poll();
  }

  async heartbeat(): Promise<HeartbeatResult> {
    try {
      const { wasExpired, pending } = await this.#commands.renewLease();
      // An answer can get lost while the connection stays up: the client of a cluster has a connection for each node. The numbers
      // also differ if an answer is on its way; comparing is harmless then.
      if (wasExpired || pending !== this.#held.pending.size) this.#isUncertain = true;
      this.isRefused = false;
      return wasExpired ? 'expired' : 'renewed';
    } catch (error) {
      this.#isUncertain = true;
      if (isGroupMissing(error)) return 'no-group';
      this.#debug('a heartbeat failed', error);
      if (isError(error, 'WRONGTYPE')) return 'no-group';
      if (!isAnswer(error)) return 'no-answer';
      this.#end = undefined;
      this.#failure = messageOf(error);
      return 'refused';
    }
  }

  onHeartbeat(): void {
    // Sends again what the server has not confirmed.
    this.#acknowledger.flush().catch(() => {});
    // Wake-ups can get lost, and then only this finds the entries.
    this.#isLookDue = true;
    if (this.#isUncertain || !this.#isFollowing) void this.poll();
  }

  /** If the group was lost with all data, or in a failover, whatever the stream holds now is new to it. */
  async #recreateGroup(): Promise<void> {
    const { topic } = this;
    const { group, consumer } = this.#member;
    try {
      const after = this.#after;
      await this.#store.createGroup(topic, group, after, consumer);
      const message =
        'a consumer group was missing and has been created again from the beginning of its stream';
      if (after === firstId) this.#store.logger.warn(message, { topic, group });
      this.#isPollWanted = true;
    } catch (error) {
      this.#debug('a consumer group could not be created', error);
    }
  }

  /** Removes the consumer from the group. */
  async leave(): Promise<void> {
    await this.#polling;
    await this.#acknowledger.flush();
    await this.#commands.leave();
  }

  #debug(message: string, error: unknown): void {
    this.#store.logger.debug?.(message, { topic: this.topic, error: messageOf(error) });
  }
}
