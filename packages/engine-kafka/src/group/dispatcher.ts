import {
  type Acknowledgement,
  type EndWait,
  type ListenRequest,
  type Receiver,
  matchesTopic,
} from '@polybus/core/engine';
import { onceInMicrotask } from '@polybus/core/engine-kit';
import type { AssignedPartition } from './assigned-partition.ts';
import { type BusyKey, BusyKeys } from './busy-keys.ts';
import { Delivery, type Entry, type Outcomes, Recipients, type Subscriber } from './entry.ts';

/** Events of a key that wait for a subscription that leaves, beyond which they hold up the rest of the partition. */
const maxWaitingPerKey = 500;

export interface DispatchOwner {
  isPaused(): boolean;
  /** False if other members may have the partitions: subscriptions do not begin the events that they have. */
  readonly mayBegin: () => boolean;
  onSettled(): void;
  onReleased(): void;
  /** Subscriptions may have room again. */
  refill(): void;
}

/** Distributes the group's events among its subscriptions in this process, or gives each event to all of them. */
export class GroupDispatcher implements Outcomes {
  /** Events that subscriptions have and have not settled. */
  outstanding = 0;
  /** True if one subscription gets each event; false if all subscriptions that match its topic get it. */
  readonly isShared: boolean;
  readonly #owner: DispatchOwner;
  readonly #subscribers = new Set<Subscriber>();
  readonly #leaving = new Set<Subscriber>();
  readonly #busyKeys = new BusyKeys<Subscriber, Entry>();
  readonly #toRun = new Set<Receiver>();
  /** Running handlers that wait for the group, for example because they subscribe. */
  #waitingHandlers = 0;
  #onIdle: (() => void) | undefined;
  readonly planRefill: () => void;

  constructor(isShared: boolean, owner: DispatchOwner) {
    this.isShared = isShared;
    this.#owner = owner;
    this.planRefill = onceInMicrotask(() => owner.refill());
  }

  get size(): number {
    return this.#subscribers.size;
  }

  get subscribers(): Iterable<Subscriber> {
    return this.#subscribers;
  }

  add(request: ListenRequest, receiver: Receiver): Subscriber {
    const subscriber = { request, receiver, unsettled: 0, isLeaving: false, outcomes: this };
    this.#subscribers.add(subscriber);
    receiver.onRoom = this.planRefill;
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

  subscriberFor(topic: string): Subscriber | undefined {
    for (const subscriber of this.#subscribers)
      if (matchesTopic(subscriber.request.pattern, topic)) return subscriber;
    return undefined;
  }

  /** Hands over entries of a partition, up to `limit` and while there is room. Returns whether it handed over `limit` entries. */
  handOver(partition: AssignedPartition, limit: number = Number.POSITIVE_INFINITY): boolean {
    if (!this.#owner.mayBegin()) return false;
    for (let left = limit; left > 0; left--) {
      if (this.#owner.isPaused() || partition.isDropped) return false;
      const entry = partition.first;
      if (entry === undefined || !(this.isShared ? this.#handToOne(entry) : this.#handToAll(entry)))
        return false;
    }
    return true;
  }

  /** Returns whether there was room. */
  #handToOne(entry: Entry): boolean {
    const { partition } = entry;
    const key = entry.decoded.event?.key;
    const busyKey = key === undefined ? undefined : this.#busyKeys.find(partition.topic, key);
    if (busyKey?.subscriber.isLeaving === true) {
      const waiting = (busyKey.waiting ??= []);
      if (waiting.length >= maxWaitingPerKey) return false;
      partition.shift();
      waiting.push(entry);
      return true;
    }
    const subscriber = busyKey === undefined ? this.#leastBusy(partition.topic) : busyKey.subscriber;
    if (subscriber === undefined || subscriber.receiver.capacity <= 0) return false;
    partition.shift();
    entry.subscriber = subscriber;
    entry.busyKey =
      key === undefined ? undefined : this.#busyKeys.hold(partition.topic, key, busyKey, subscriber);
    this.#give(entry, subscriber, entry, entry.attempts);
    return true;
  }

  #leastBusy(topic: string): Subscriber | undefined {
    let best: Subscriber | undefined;
    for (const subscriber of this.#subscribers) {
      if (best !== undefined && subscriber.unsettled >= best.unsettled) continue;
      if (subscriber.receiver.capacity > 0 && matchesTopic(subscriber.request.pattern, topic))
        best = subscriber;
    }
    return best;
  }

  /** Returns whether there was room. */
  #handToAll(entry: Entry): boolean {
    const targets = this.#targetsOf(entry);
    if (targets === undefined) return false;
    entry.partition.shift();
    if (targets.length === 0) this.#settleWithoutTargets(entry);
    const recipients = (entry.recipients ??= new Recipients());
    // Add all before giving it to the first, because a subscription may settle the event at once.
    for (const subscriber of targets) recipients.unsettled.add(subscriber);
    for (const subscriber of targets)
      this.#give(entry, subscriber, new Delivery(entry, subscriber), recipients.attemptsOf(subscriber));
    return true;
  }

  /** Undefined if no subscription matches the topic, or if one of them has no room. */
  #targetsOf(entry: Entry): readonly Subscriber[] | undefined {
    const targets: Subscriber[] = [];
    let isWanted = false;
    for (const subscriber of this.#subscribers) {
      if (!matchesTopic(subscriber.request.pattern, entry.partition.topic)) continue;
      isWanted = true;
      if (entry.recipients?.has(subscriber) === true) continue;
      // The slowest subscription sets the pace, because the group has one offset for all of them.
      if (subscriber.receiver.capacity <= 0) return undefined;
      targets.push(subscriber);
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

  settled(entry: Entry, subscriber: Subscriber, busyKey: BusyKey<Subscriber, Entry> | undefined): void {
    this.#settle(entry, subscriber);
    this.#end(subscriber, busyKey);
    this.#owner.onSettled();
  }

  released(entry: Entry, subscriber: Subscriber, busyKey: BusyKey<Subscriber, Entry> | undefined): boolean {
    const isKept = this.#release(entry, subscriber);
    this.#end(subscriber, busyKey);
    this.#owner.onReleased();
    return isKept;
  }

  #settle(entry: Entry, subscriber: Subscriber): void {
    if (this.isShared) {
      entry.partition.settle(entry);
      return;
    }
    entry.recipients?.settle(subscriber);
    this.#settleIfAllHave(entry);
  }

  /** If each subscription gets all events, an event is settled once all subscriptions that remain have settled it. */
  #settleIfAllHave(entry: Entry): void {
    // A subscription that was added after the event was handed over does not get it.
    if (entry.isWaiting || (entry.recipients?.unsettled.size ?? 0) > 0) return;
    entry.partition.settle(entry);
  }

  /** The event was given back by a subscription that has left, and all others already have it. */
  #settleWithoutTargets(entry: Entry): void {
    this.#settleIfAllHave(entry);
    this.#owner.onSettled();
  }

  /** Returns whether it will be delivered again. */
  #release(entry: Entry, subscriber: Subscriber): boolean {
    entry.recipients?.unsettled.delete(subscriber);
    if (!this.isShared && subscriber.isLeaving && this.subscriberFor(entry.partition.topic) !== undefined) {
      // The subscriptions that remain do not wait for this one.
      entry.recipients?.settle(subscriber);
      this.#settleIfAllHave(entry);
      return false;
    }
    // Several subscriptions may give the same record back.
    if (!entry.partition.isDropped && !entry.isWaiting) entry.partition.giveBack(entry);
    // A subscription that stays may get the event again and give it back again: let other work run in between.
    if (subscriber.isLeaving) this.planRefill();
    else setImmediate(this.planRefill);
    return true;
  }

  /** An event of the subscription has ended. */
  #end(subscriber: Subscriber, busyKey: BusyKey<Subscriber, Entry> | undefined): void {
    this.outstanding--;
    subscriber.unsettled--;
    if (subscriber.isLeaving && subscriber.unsettled === 0) this.#leaving.delete(subscriber);
    if (busyKey !== undefined) {
      const freed = this.#busyKeys.free(busyKey);
      for (const entry of freed) if (!entry.partition.isDropped) entry.partition.giveBack(entry);
      if (freed.length > 0) this.planRefill();
    }
    if (!this.isBusy) this.#onIdle?.();
  }

  /** True while handlers run that a rebalance has to wait for. */
  get isBusy(): boolean {
    return this.outstanding > this.#waitingHandlers;
  }

  /**
   * If the caller runs in a handler of one of the subscriptions, or a handler waits for the caller, the group does not wait for
   * that handler until the returned function is called. Otherwise the handler and the group would wait for each other.
   */
  beginWait(): EndWait {
    const waits = [...this.#subscribers].map(({ receiver }) => receiver.beginWait());
    const isHandler = waits.includes(false);
    if (isHandler) this.#waitingHandlers++;
    if (!this.isBusy) this.#onIdle?.();
    return () => {
      if (isHandler) this.#waitingHandlers--;
      for (const end of waits) if (typeof end === 'function') end();
    };
  }

  /** Takes back events whose handlers have not begun. */
  withdraw(): void {
    for (const { receiver } of [...this.#subscribers, ...this.#leaving]) receiver.withdraw();
  }

  /** Resolves when no such handler runs any more, or after the timeout. */
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

  /** Lets all receivers begin the events that they have. */
  resume(): void {
    for (const { receiver } of [...this.#subscribers, ...this.#leaving]) receiver.run();
  }

  /** Lets the receivers begin the events that were handed over since the last call. */
  run(): void {
    const receivers = [...this.#toRun];
    this.#toRun.clear();
    for (const receiver of receivers) receiver.run();
  }
}
