import type { Acknowledgement, Event } from '@polybus/core';
import type { TopicLoad } from './envelope.ts';
import type { Mailbox } from './mailbox.ts';

/** Where the unsettled events of one key are, so that no two members ever handle the same key at once. */
interface KeyState {
  member: Mailbox;
  unsettled: number;
  /** Events of the key that wait until a member that left has settled its last one. */
  parked: GroupDelivery[];
}

/** The subscriptions of one consumer group. Each event goes to one of them; events of one key to one at a time. */
export class Group {
  readonly #members: Mailbox[] = [];
  readonly #keys = new Map<string, KeyState>();
  /** Sequence numbers of what is not settled. */
  readonly #unsettled = new Set<number>();
  readonly #redeliver: (delivery: GroupDelivery, member: Mailbox) => void;
  #turn = 0;
  /** The next sequence number when the last member left; undefined while there is one, and before there was. */
  #leftAt: number | undefined = undefined;

  constructor(redeliver: (delivery: GroupDelivery, member: Mailbox) => void) {
    this.#redeliver = redeliver;
  }

  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  /** Takes up the place where the last member left, if there was one: the first event that is not settled. */
  resume(): number | undefined {
    let position = this.#leftAt;
    if (position !== undefined)
      for (const sequence of this.#unsettled) position = Math.min(position, sequence);
    this.#leftAt = undefined;
    this.#unsettled.clear();
    return position;
  }

  hasPattern(pattern: string): boolean {
    return this.#members.some(({ request }) => request.pattern === pattern);
  }

  run(): void {
    for (const member of this.#members) member.run();
  }

  join(member: Mailbox): void {
    this.#members.push(member);
  }

  leave(member: Mailbox, nextSequence: number): void {
    const index = this.#members.indexOf(member);
    if (index === -1) return;
    this.#members.splice(index, 1);
    if (this.isEmpty) this.#leftAt = nextSequence;
  }

  /**
   * The member for an event; undefined where the event has to wait until the key's last one is settled, because the member
   * that has it left, or does not want this topic.
   */
  choose({ key, topic }: Event): Mailbox | undefined {
    const state = key === undefined ? undefined : this.#keys.get(key);
    if (state === undefined) return this.#nextInTurn(topic);
    const { member, parked } = state;
    return member.isClosed || parked.length > 0 || !member.matches(topic) ? undefined : member;
  }

  #nextInTurn(topic: string): Mailbox | undefined {
    const members = this.#members;
    let full: Mailbox | undefined;
    for (let tried = 0; tried < members.length; tried++) {
      const member = members[this.#turn++ % members.length]!;
      if (!member.matches(topic)) continue;
      if (member.waiting === 0 && member.receiver.capacity > 0) return member;
      full ??= member;
    }
    return full;
  }

  /** Notes that a member got an event. */
  began(delivery: GroupDelivery, member: Mailbox): void {
    delivery.member = member;
    this.#unsettled.add(delivery.sequence);
    const { key } = delivery.event;
    if (key === undefined) return;
    const state = this.#keys.get(key);
    if (state === undefined) {
      this.#keys.set(key, { member, unsettled: 1, parked: [] });
    } else {
      state.member = member;
      state.unsettled++;
    }
  }

  /** Keeps an event until the member that left has settled its last one of the same key. */
  park(delivery: GroupDelivery): void {
    this.#unsettled.add(delivery.sequence);
    const { parked, member } = this.#keys.get(delivery.event.key!)!;
    delivery.member ??= member;
    parked.push(delivery);
    parked.sort((a, b) => a.sequence - b.sequence);
  }

  ended(delivery: GroupDelivery): void {
    this.#unsettled.delete(delivery.sequence);
    this.#keyEnded(delivery.event.key);
  }

  /** Hands an event that its member gave back to another; false where nobody else takes it. */
  released(delivery: GroupDelivery): boolean {
    if (delivery.member?.isClosed !== false) return this.#passOn(delivery);
    // A member that is still there may get it again, and give it back again: not without letting anything else run.
    setImmediate(() => this.#passOn(delivery) || this.#drop(delivery));
    return true;
  }

  #passOn(delivery: GroupDelivery): boolean {
    const { key, topic } = delivery.event;
    const next = this.#nextInTurn(topic);
    if (next === undefined) {
      // It stays unsettled: the group goes on with it, if its next member asks for what is kept.
      this.#keyEnded(key);
      return false;
    }
    if (key === undefined) {
      this.#redeliver(delivery, next);
    } else {
      this.park(delivery);
      this.#keyEnded(key);
    }
    return true;
  }

  #keyEnded(key: string | undefined): void {
    const state = key === undefined ? undefined : this.#keys.get(key);
    if (state === undefined || --state.unsettled > 0) return;
    this.#keys.delete(key!);
    for (const delivery of state.parked) {
      const member = this.choose(delivery.event);
      if (member !== undefined) this.#redeliver(delivery, member);
      else if (this.#keys.has(key!)) this.park(delivery);
      else this.#drop(delivery);
    }
  }

  /** Nobody is left to take it. */
  #drop(delivery: GroupDelivery): void {
    delivery.member?.receiver.drop(delivery.event, 'unsubscribed');
    delivery.inner.release();
  }
}

/** One event on its way through a group. */
export class GroupDelivery implements Acknowledgement {
  readonly group: Group;
  readonly event: Event;
  readonly sequence: number;
  readonly load: TopicLoad;
  readonly inner: Acknowledgement;
  member: Mailbox | undefined = undefined;

  constructor(group: Group, event: Event, sequence: number, load: TopicLoad, inner: Acknowledgement) {
    this.group = group;
    this.event = event;
    this.sequence = sequence;
    this.load = load;
    this.inner = inner;
  }

  settled(): void {
    this.inner.settled();
    this.group.ended(this);
  }

  release(): boolean {
    if (this.group.released(this)) return true;
    return this.inner.release();
  }
}
