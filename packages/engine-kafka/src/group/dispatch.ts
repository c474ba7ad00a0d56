import {
  type Acknowledgement,
  type EndWait,
  type ListenRequest,
  type Receiver,
  matchesTopic,
} from '@polybus/core/engine';
import { Handed, Shares } from './entry.ts';
import { type Lane, Lanes } from './busy-keys.ts';
import type { Entry, GroupPlace } from './assigned-partition.ts';

/** Records of a key that wait for a subscription that leaves, beyond which they hold up what is behind them. */
const enough = 500;

/** A subscription of the group in this process. */
export interface Subscriber {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
  /** Events that it has and that are not settled. */
  unsettled: number;
  isLeaving: boolean;
  readonly dispatch: GroupDispatch;
}

export interface DispatchOwner {
  isPaused(): boolean;
  /** False where others may have the partitions: what a subscription has does not begin. */
  readonly mayBegin: () => boolean;
  onSettled(): void;
  onReleased(): void;
  /** There may be room. */
  refill(): void;
}

/** Shares the group's events among its subscriptions in this process, or gives each event to all of them. */
export class GroupDispatch {
  /** Events that subscriptions have and that are not settled. */
  outstanding = 0;
  /** Whether one subscription gets an event, or each one that wants its topic. */
  readonly isShared: boolean;
  readonly #owner: DispatchOwner;
  readonly #subscribers = new Set<Subscriber>();
  readonly #leaving = new Set<Subscriber>();
  readonly #lanes = new Lanes<Subscriber>();
  readonly #toRun = new Set<Receiver>();
  /** Handlers that wait for the group themselves. */
  #excused = 0;
  #isRefillPlanned = false;
  #onIdle: (() => void) | undefined;

  constructor(isShared: boolean, owner: DispatchOwner) {
    this.isShared = isShared;
    this.#owner = owner;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  get members(): Iterable<Subscriber> {
    return this.#subscribers;
  }

  add(request: ListenRequest, receiver: Receiver): Subscriber {
    const subscriber = { request, receiver, unsettled: 0, isLeaving: false, dispatch: this };
    this.#subscribers.add(subscriber);
    receiver.onRoom = () => this.planRefill();
    receiver.mayBegin = this.#owner.mayBegin;
    return subscriber;
  }

  leave(subscriber: Subscriber): void {
    subscriber.isLeaving = true;
    subscriber.receiver.onRoom = undefined;
    this.#subscribers.delete(subscriber);
    if (subscriber.unsettled > 0) this.#leaving.add(subscriber);
    this.planRefill();
  }

  memberFor(topic: string): Subscriber | undefined {
    for (const one of this.#subscribers) if (matchesTopic(one.request.pattern, topic)) return one;
    return undefined;
  }

  /** Hands over what a place has, as far as there is room, and at most so many; returns whether it has handed over so many. */
  handOver(place: GroupPlace, limit: number = Number.POSITIVE_INFINITY): boolean {
    if (!this.#owner.mayBegin()) return false;
    for (let left = limit; left > 0; left--) {
      if (this.#owner.isPaused() || place.isDropped) return false;
      const entry = place.first;
      if (entry === undefined || !(this.isShared ? this.#handToOne(entry) : this.#handToAll(entry)))
        return false;
    }
    return true;
  }

  /** Returns whether there was room. */
  #handToOne(entry: Entry): boolean {
    const { place } = entry;
    const key = entry.decoded.event?.key;
    const lane = key === undefined ? undefined : this.#lanes.find(place.topic, key);
    if (lane?.member.isLeaving === true) {
      const waiting = (lane.waiting ??= []);
      if (waiting.length >= enough) return false;
      place.shift();
      waiting.push(entry);
      return true;
    }
    const subscriber = lane === undefined ? this.#leastBusy(place.topic) : lane.member;
    if (subscriber === undefined || subscriber.receiver.capacity <= 0) return false;
    place.shift();
    entry.subscriber = subscriber;
    entry.lane = key === undefined ? undefined : this.#lanes.hold(place.topic, key, lane, subscriber);
    this.#give(entry, subscriber, entry, entry.attempts);
    return true;
  }

  #leastBusy(topic: string): Subscriber | undefined {
    let best: Subscriber | undefined;
    for (const one of this.#subscribers) {
      if (best !== undefined && one.unsettled >= best.unsettled) continue;
      if (one.receiver.capacity > 0 && matchesTopic(one.request.pattern, topic)) best = one;
    }
    return best;
  }

  /** Returns whether there was room. */
  #handToAll(entry: Entry): boolean {
    const targets = this.#allTargets(entry);
    if (targets === undefined) return false;
    entry.place.shift();
    if (targets.length === 0) this.#leftOut(entry);
    const shares = (entry.shares ??= new Shares());
    // All of them, before the first: one that it is not for settles it at once.
    for (const one of targets) shares.handedTo.add(one);
    for (const one of targets) this.#give(entry, one, new Handed(entry, one), shares.attemptsOf(one));
    return true;
  }

  #allTargets(entry: Entry): readonly Subscriber[] | undefined {
    const targets: Subscriber[] = [];
    let isWanted = false;
    for (const one of this.#subscribers) {
      if (!matchesTopic(one.request.pattern, entry.place.topic)) continue;
      isWanted = true;
      if (entry.shares?.has(one) === true) continue;
      // The slowest sets the pace: the group has one place for all of them.
      if (one.receiver.capacity <= 0) return undefined;
      targets.push(one);
    }
    return isWanted ? targets : undefined;
  }

  #give(
    entry: Entry,
    subscriber: Subscriber,
    acknowledgement: Acknowledgement,
    previousAttempts: number,
  ): void {
    const { receiver } = subscriber;
    subscriber.unsettled++;
    this.outstanding++;
    this.#toRun.add(receiver);
    const { event, raw } = entry.decoded;
    if (event !== undefined) receiver.enqueue(event, acknowledgement, previousAttempts);
    else receiver.undecodable(raw, acknowledgement);
  }

  /** For acknowledgements. */
  settled(entry: Entry, subscriber: Subscriber, lane: Lane<Subscriber> | undefined): void {
    this.#settle(entry, subscriber);
    this.#left(subscriber, lane);
    this.#owner.onSettled();
  }

  /** For acknowledgements. */
  released(entry: Entry, subscriber: Subscriber, lane: Lane<Subscriber> | undefined): boolean {
    const isKept = this.#release(entry, subscriber);
    this.#left(subscriber, lane);
    this.#owner.onReleased();
    return isKept;
  }

  #settle(entry: Entry, subscriber: Subscriber): void {
    if (this.isShared) {
      entry.place.settle(entry);
      return;
    }
    entry.shares?.settle(subscriber);
    this.#settleIfAllHave(entry);
  }

  /** Where each gets all, an event is settled when all that are still there have settled it. */
  #settleIfAllHave(entry: Entry): void {
    // Who has subscribed since it was handed out does not get it: its place, too, is behind it.
    if (entry.isWaiting || (entry.shares?.handedTo.size ?? 0) > 0) return;
    entry.place.settle(entry);
  }

  /** It came back from one that left meanwhile, and all others have had it. */
  #leftOut(entry: Entry): void {
    this.#settleIfAllHave(entry);
    this.#owner.onSettled();
  }

  /** Returns whether it will be delivered again. */
  #release(entry: Entry, subscriber: Subscriber): boolean {
    entry.shares?.handedTo.delete(subscriber);
    if (!this.isShared && subscriber.isLeaving && this.memberFor(entry.place.topic) !== undefined) {
      // The others go on, and so does the place that they share.
      entry.shares?.settle(subscriber);
      this.#settleIfAllHave(entry);
      return false;
    }
    // Several subscriptions may give the same record back.
    if (!entry.place.isDropped && !entry.isWaiting) entry.place.giveBack(entry);
    // One that is still there may get it again, and give it back again: not without letting anything else run.
    if (subscriber.isLeaving) this.planRefill();
    else setImmediate(() => this.planRefill());
    return true;
  }

  #left(subscriber: Subscriber, lane: Lane<Subscriber> | undefined): void {
    this.outstanding--;
    subscriber.unsettled--;
    if (subscriber.isLeaving && subscriber.unsettled === 0) this.#leaving.delete(subscriber);
    if (lane !== undefined) {
      const freed = this.#lanes.free(lane);
      for (const entry of freed) if (!entry.place.isDropped) entry.place.giveBack(entry);
      if (freed.length > 0) this.planRefill();
    }
    if (!this.isBusy) this.#onIdle?.();
  }

  /** True while handlers run for which a rebalance has to wait. */
  get isBusy(): boolean {
    return this.outstanding > this.#excused;
  }

  /**
   * Where the caller runs in a handler of one of the subscriptions, or in what such a handler waits for, nobody waits for that
   * handler until what is returned is called: it and the group would wait for each other.
   */
  beginWait(): EndWait {
    const waits = [...this.#subscribers].map(({ receiver }) => receiver.beginWait());
    const isExcused = waits.includes(false);
    if (isExcused) this.#excused++;
    if (!this.isBusy) this.#onIdle?.();
    return () => {
      if (isExcused) this.#excused--;
      for (const end of waits) if (typeof end === 'function') end();
    };
  }

  /** Takes back what has not begun. */
  withdraw(): void {
    for (const { receiver } of [...this.#subscribers, ...this.#leaving]) receiver.withdraw();
  }

  /** Resolves when no handler has to be waited for, or the time is over. */
  untilIdle(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.isBusy || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#onIdle = undefined;
        resolve();
      };
      const timer = setTimeout(end, timeoutMs);
      this.#onIdle = end;
      signal.addEventListener('abort', end, { once: true });
    });
  }

  planRefill(): void {
    if (this.#isRefillPlanned) return;
    this.#isRefillPlanned = true;
    queueMicrotask(() => {
      this.#isRefillPlanned = false;
      this.#owner.refill();
    });
  }

  /** Lets all receivers begin what they have: they may again. */
  resume(): void {
    for (const { receiver } of [...this.#subscribers, ...this.#leaving]) receiver.run();
  }

  /** Lets the receivers that got something begin. */
  run(): void {
    const receivers = [...this.#toRun];
    this.#toRun.clear();
    for (const receiver of receivers) receiver.run();
  }
}
