import type { Event, StartPosition } from '@polybus/core';
import {
  type ListenRequest,
  type ReadProgress,
  type TopicMatcher,
  matchesTopic,
  patternCovers,
} from '@polybus/core/engine';
import type { DeliveryOwner, GroupDelivery, KeyAttempts } from './group-delivery.ts';
import type { History, HistoryEntry } from './history.ts';
import type { Mailbox } from './mailbox.ts';
import { GroupPositions, type Loss, type LossListener } from './positions.ts';

/** The member that has the unsettled events of a key, so that no two members handle the same key at the same time. */
interface KeyState extends KeyAttempts {
  member: Mailbox;
  unsettled: number;
  /** Events of the key that wait until a member that has left has settled its last event of the key. */
  parked: GroupDelivery[];
}

/** The result of joining a group. */
export interface Joined {
  readonly earlier: readonly EarlierEvent[];
  /** Events for the group that the history has lost. */
  readonly losses: readonly Loss[];
}

/** An event that was published before the subscription that gets it. */
export interface EarlierEvent {
  readonly sequence: number;
  readonly event: Event;
  /** Attempts that started in earlier deliveries. */
  readonly attempts: number;
}

/**
 * The subscriptions of one consumer group. Each event goes to one subscription. Events of a key go to the same subscription while it
 * has unsettled events of the key. The group has a position in each topic, and keeps it when its subscriptions end.
 */
export class Group implements DeliveryOwner, LossListener {
  readonly #members: Mailbox[] = [];
  readonly #keys = new Map<string, KeyState>();
  readonly #positions: GroupPositions;
  /** By sequence number: deliveries that were released while no member wanted their topic. */
  readonly #kept = new Map<number, GroupDelivery>();
  readonly #deliver: (delivery: GroupDelivery, member: Mailbox) => void;
  #turn = 0;
  #isClosed = false;

  /**
   * @param away - Groups by the topics and patterns that they have left. They are notified of events that the history loses.
   * @param deliver - Puts an event into a member's waiting room.
   */
  constructor(away: TopicMatcher<LossListener>, deliver: (delivery: GroupDelivery, member: Mailbox) => void) {
    this.#positions = new GroupPositions(this, away);
    this.#deliver = deliver;
  }

  hasPattern(pattern: string): boolean {
    return this.#members.some(({ request }) => request.pattern === pattern);
  }

  run(): void {
    for (const member of this.#members) member.run();
  }

  /**
   * Adds a member, and returns the earlier events that it gets, in order: from the group's position in each topic, and from the
   * member's `from` in a topic that is new to the group.
   */
  join(member: Mailbox, history: History): Joined {
    const { request } = member;
    const earlier = this.#earlierEvents(request, history);
    const losses = this.#positions.join(request.pattern);
    this.#members.push(member);
    return { earlier, losses };
  }

  /** The history has lost an event. It counts as missed if the group has no subscription to its topic. */
  lost(event: Event, sequence: number): void {
    if (!this.#members.some((member) => member.matches(event.topic))) this.#positions.lost(event, sequence);
  }

  #earlierEvents(request: ListenRequest, history: History): EarlierEvent[] {
    const earlier: EarlierEvent[] = [];
    for (const [sequence, delivery] of this.#kept) {
      if (!matchesTopic(request.pattern, delivery.event.topic)) continue;
      this.#kept.delete(sequence);
      earlier.push(delivery);
    }
    if (request.from === 'latest' && this.#positions.isEmpty) return earlier;
    const beginnings = new Map<string, Beginning>();
    for (const entry of history.all()) {
      const { topic } = entry.event;
      let isWanted = beginnings.get(topic);
      if (isWanted === undefined) beginnings.set(topic, (isWanted = this.#beginningIn(topic, request)));
      if (isWanted(entry)) earlier.push({ ...entry, attempts: 0 });
    }
    return earlier.sort((a, b) => a.sequence - b.sequence);
  }

  #beginningIn(topic: string, { pattern, from }: ListenRequest): Beginning {
    // In a topic that a member is subscribed to, the group's position is that of the member.
    if (!matchesTopic(pattern, topic) || this.#members.some((member) => member.matches(topic)))
      return () => false;
    const position = this.#positions.of(topic);
    return position === undefined ? startingAt(from) : ({ sequence }) => sequence >= position;
  }

  leave(member: Mailbox, nextSequence: number): void {
    const index = this.#members.indexOf(member);
    if (index === -1) return;
    this.#members.splice(index, 1);
    const { pattern } = member.request;
    // If other members stay subscribed to all of its topics, their position counts.
    const isCovered = this.#members.some(({ request }) => patternCovers(request.pattern, pattern));
    if (!isCovered) this.#positions.leave(pattern, nextSequence);
  }

  /**
   * The keys whose events wait until a member has settled its last event of the key, because that member has left or does not subscribe
   * to their topic. No queue has these events.
   */
  *progress(name: string): Iterable<ReadProgress> {
    for (const { member, unsettled, attempts, parked } of this.#keys.values()) {
      const [first] = parked;
      if (first === undefined || member.receiver.isPaused) continue;
      const whose = member.isClosed
        ? 'a subscription that has ended'
        : `the subscription ${member.request.subscriptionId}`;
      yield {
        source: `the event ${first.event.id} in the group "${name}"`,
        position: `${unsettled} ${attempts}`,
        behind: `${parked.length} event(s) of its key wait for the handler of ${whose}`,
      };
    }
  }

  /** The engine stops, so no member will take the released deliveries. */
  close(): void {
    this.#isClosed = true;
    for (const delivery of this.#kept.values()) drop(delivery);
    this.#kept.clear();
  }

  /**
   * Returns the member for an event. Returns undefined if the event has to wait until the previous event of its key is settled, because
   * the member with that event has left or does not subscribe to this topic.
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
    const { key } = delivery.event;
    if (key === undefined) return;
    let state = this.#keys.get(key);
    if (state === undefined) {
      this.#keys.set(key, (state = { member, unsettled: 1, attempts: 0, parked: [] }));
    } else {
      state.member = member;
      state.unsettled++;
    }
    delivery.keyAttempts = state;
  }

  /** Keeps an event until the member that has left has settled its last event of the same key. */
  park(delivery: GroupDelivery): void {
    const { parked, member } = this.#keys.get(delivery.event.key!)!;
    delivery.member ??= member;
    delivery.load.waits();
    parked.push(delivery);
    parked.sort((a, b) => a.sequence - b.sequence);
  }

  /** An event was settled. */
  ended({ event: { key } }: GroupDelivery): void {
    const state = key === undefined ? undefined : this.#keys.get(key);
    if (state === undefined || --state.unsettled > 0) return;
    this.#keys.delete(key!);
    const members = new Set<Mailbox>();
    for (const delivery of state.parked) {
      delivery.load.waitsNoMore();
      const member = this.choose(delivery.event);
      if (member === undefined) {
        if (this.#keys.has(key!)) this.park(delivery);
        else this.#keep(delivery);
        continue;
      }
      this.#deliver(delivery, member);
      members.add(member);
    }
    // Last, so that events that their handlers publish with this key come behind all these events.
    for (const member of members) member.drain();
  }

  /** A member released an event: another member gets it. */
  released(delivery: GroupDelivery): void {
    if (delivery.member?.isClosed !== false) this.#passOn(delivery);
    // The same member can get the event again and release it again. Other work has to run in between.
    else setImmediate(() => this.#passOn(delivery));
  }

  #passOn(delivery: GroupDelivery): void {
    const { key, topic } = delivery.event;
    const next = this.#nextInTurn(topic);
    if (next === undefined) {
      this.#keep(delivery);
      this.ended(delivery);
      return;
    }
    delivery.movedOn();
    if (key === undefined) {
      this.#deliver(delivery, next);
      next.drain();
    } else {
      this.park(delivery);
      this.ended(delivery);
    }
    // The event has moved from a buffer to a waiting room, so its topic may have room for other events.
    delivery.load.offerRoom();
  }

  /** No member subscribes to its topic: it waits for a member that does. Its publisher does not wait, and its topic's load does not count it. */
  #keep(delivery: GroupDelivery): void {
    delivery.inner.release();
    if (this.#isClosed) drop(delivery);
    else this.#kept.set(delivery.sequence, delivery);
  }
}

/** Returns whether a joining subscription gets an event of the history. */
type Beginning = (entry: HistoryEntry) => boolean;

/** The events of the history that a subscription with `from` gets. */
export function startingAt(from: StartPosition): Beginning {
  if (from === 'latest') return () => false;
  const since = from === 'earliest' ? Number.NEGATIVE_INFINITY : from.getTime();
  return ({ event }) => event.createdAt.getTime() >= since;
}

function drop({ member, event }: GroupDelivery): void {
  member?.receiver.drop(event, 'stopped');
}
