import { type Acknowledgement, type Receiver, matchesTopic } from '@polybus/core/engine';
import { type Decoded, onceInMicrotask } from '@polybus/core/engine-kit';
import {
  type EventLease,
  type GroupEvent,
  type KeyQueue,
  type LocalMember,
  PatternQueue,
} from './pattern-queue.ts';
import type { OpenRecord } from './settled-prefix.ts';

/**
 * Distributes the events of a group among its members in this process. If a member has unsettled events of a key, it also gets the next
 * events of that key, so that events of a key keep their order and never run at two members.
 */
export class GroupDispatcher {
  readonly members: Set<LocalMember> = new Set();
  readonly #queues = new Map<string, PatternQueue>();
  #rank = 0;
  #unsettled = 0;
  /** Receivers with new events that may not have begun. */
  readonly #touched = new Set<Receiver>();
  readonly #onChange: () => void;
  readonly #mayBegin: () => boolean;
  readonly #scheduleDelivery: () => void;

  /**
   * @param onChange - Called if members may have room, or have settled everything.
   * @param mayBegin - Returns false while the leases may have run out: then no event is delivered, and no handler begins. Call `wake` once
   * it returns true again.
   */
  constructor(onChange: () => void, mayBegin: () => boolean) {
    this.#onChange = onChange;
    this.#mayBegin = mayBegin;
    this.#scheduleDelivery = onceInMicrotask(() => {
      this.#deliverWaiting();
      onChange();
    });
  }

  queueOf(pattern: string): PatternQueue {
    let queue = this.#queues.get(pattern);
    if (queue === undefined) this.#queues.set(pattern, (queue = new PatternQueue()));
    return queue;
  }

  get hasMembers(): boolean {
    for (const member of this.members) if (!member.isLeaving) return true;
    return false;
  }

  /** Number of events that members have and have not settled. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Delivers waiting events that members can take now, and begins handlers that may begin now. */
  wake(): void {
    for (const { receiver } of this.members) this.#touched.add(receiver);
    this.#scheduleDelivery();
  }

  add(member: LocalMember): void {
    this.members.add(member);
    member.receiver.mayBegin = this.#mayBegin;
    member.receiver.onRoom = this.#scheduleDelivery;
    this.#scheduleDelivery();
  }

  /** Gives the member no more events. It still settles or releases the events that it has. */
  leave(member: LocalMember): void {
    member.isLeaving = true;
    member.receiver.onRoom = undefined;
    this.members.delete(member);
  }

  /** Takes an event that was read. */
  offer(decoded: Decoded, lease: EventLease, record: OpenRecord, index: number): void {
    this.#assign({ decoded, lease, record, index, rank: this.#rank++, attempts: 0 });
  }

  /** Begins the handlers of the events that members got. */
  run(): void {
    for (const receiver of this.#touched) {
      this.#touched.delete(receiver);
      receiver.run();
    }
  }

  #assign(event: GroupEvent): void {
    const key = event.decoded.event?.key;
    const { queue } = event.lease;
    if (key === undefined) {
      // Behind the events that wait already: if there is one member, it gets the events of a topic in order.
      const member = queue.keyless.length > 0 ? undefined : this.#memberFor(event);
      if (member === undefined) queue.keyless.push(event);
      else this.#deliver(event, member, undefined);
      return;
    }
    const keyQueue = queue.queueOf(key);
    const member = keyQueue.waiting.length > 0 ? undefined : this.#holderFor(keyQueue, event);
    if (member === undefined) {
      keyQueue.waiting.push(event);
      queue.waitingWithKey++;
    } else this.#deliver(event, member, keyQueue);
  }

  #holderFor(queue: KeyQueue, event: GroupEvent): LocalMember | undefined {
    if (queue.unsettled === 0) return this.#memberFor(event);
    const { holder } = queue;
    return holder !== undefined && canTake(holder, event) ? holder : undefined;
  }

  /** The member with the most room. */
  #memberFor(event: GroupEvent): LocalMember | undefined {
    let [best, room] = [undefined as LocalMember | undefined, 0];
    for (const member of this.members) {
      const { capacity } = member.receiver;
      if (capacity > room && canTake(member, event)) [best, room] = [member, capacity];
    }
    return best;
  }

  #deliver(groupEvent: GroupEvent, member: LocalMember, queue: KeyQueue | undefined): void {
    const { lease, record, index, decoded } = groupEvent;
    this.#unsettled++;
    lease.unsettled++;
    if (queue !== undefined) {
      queue.holder = member;
      queue.unsettled++;
    }
    const acknowledgement: Acknowledgement = {
      begun: (attempt) => void (groupEvent.attempts = attempt),
      settled: () => {
        lease.settled(record, index);
        this.#returned(groupEvent, queue);
      },
      release: () => {
        if (!lease.isLost) lease.queue.putBack(groupEvent, queue);
        this.#returned(groupEvent, queue, !member.isLeaving);
        return true;
      },
    };
    if (decoded.event === undefined) member.receiver.undecodable(decoded.raw, acknowledgement);
    else member.receiver.enqueue(decoded.event, acknowledgement, groupEvent.attempts);
    this.#touched.add(member.receiver);
  }

  /** @param mayReturn - A member that stays has released the event, and may get it again. */
  #returned({ lease, decoded }: GroupEvent, keyQueue: KeyQueue | undefined, mayReturn = false): void {
    this.#unsettled--;
    lease.returned();
    const { queue } = lease;
    if (keyQueue !== undefined && --keyQueue.unsettled === 0) {
      keyQueue.holder = undefined;
      if (keyQueue.waiting.length === 0) queue.byKey.delete(decoded.event!.key!);
    }
    if (queue.isWaiting) {
      // A member that releases every event must not keep everything else from running.
      if (mayReturn) setImmediate(this.#scheduleDelivery);
      else this.#scheduleDelivery();
    }
    this.#onChange();
  }

  #deliverWaiting(): void {
    // A member writes the dead letter of an undecodable record as soon as it gets it, so delivery waits for the leases too.
    if (!this.#mayBegin()) return;
    for (const queue of this.#queues.values()) if (queue.isWaiting) this.#deliverFrom(queue);
    this.run();
  }

  #deliverFrom(queue: PatternQueue): void {
    const { keyless } = queue;
    // Events that are released at once go to the new list, and are put back in their order afterwards.
    queue.keyless = [];
    const left: GroupEvent[] = [];
    let next = 0;
    // One record may hold a hundred thousand events: the loop ends when no member has room.
    for (; next < keyless.length && this.#hasRoom; next++) {
      const event = keyless[next]!;
      const member = this.#memberFor(event);
      if (member === undefined) left.push(event);
      else this.#deliver(event, member, undefined);
    }
    const returned = queue.keyless;
    queue.keyless = left.concat(keyless.slice(next));
    for (const event of returned) queue.putBack(event, undefined);
    if (queue.waitingWithKey === 0) return;
    for (const keyQueue of queue.byKey.values()) {
      if (!this.#hasRoom) return;
      this.#deliverFromKey(queue, keyQueue);
    }
  }

  get #hasRoom(): boolean {
    for (const { receiver } of this.members) if (receiver.capacity > 0) return true;
    return false;
  }

  #deliverFromKey(queue: PatternQueue, keyQueue: KeyQueue): void {
    for (let event = keyQueue.waiting[0]; event !== undefined; event = keyQueue.waiting[0]) {
      const member = this.#holderFor(keyQueue, event);
      if (member === undefined) return;
      keyQueue.waiting.shift();
      queue.waitingWithKey--;
      this.#deliver(event, member, keyQueue);
    }
  }

  /** Takes back the events of a lease that have not begun. Members also release their events of other leases, which they get again. */
  withdraw(lease: EventLease): void {
    for (const { receiver } of this.members) if (lease.unsettled > 0) receiver.withdraw();
  }
}

function canTake({ isLeaving, pattern, receiver }: LocalMember, { decoded, lease }: GroupEvent): boolean {
  const topic = decoded.event?.topic ?? decoded.raw?.topic;
  return (
    !isLeaving &&
    !lease.isPaused &&
    receiver.capacity > 0 &&
    topic !== undefined &&
    matchesTopic(pattern, topic)
  );
}
