import { type Acknowledgement, type Receiver, matchesTopic } from '@polybus/core';
import type { GroupPlace } from './group-place.ts';
import type { Decoded } from './record.ts';
import type { OpenRecord } from './settled-prefix.ts';

/** One subscription of a group. */
export interface GroupMember {
  readonly pattern: string;
  readonly receiver: Receiver;
  isLeaving: boolean;
}

/** An event on its way to one of the members. */
export interface Item {
  readonly decoded: Decoded;
  readonly place: GroupPlace;
  readonly record: OpenRecord;
  /** Its rank among all events of this process's share of the group. */
  readonly rank: number;
  /** Attempts at it that began here and came to nothing, because it was given back. */
  attempts: number;
}

/** Events of one key: one member at a time has them. */
interface Lane {
  holder: GroupMember | undefined;
  /** Handed over to the holder and not settled. */
  unsettled: number;
  /** In the order of their rank. */
  readonly parked: Item[];
}

/** More than so many events that no member can take now, and reading stops. */
const maxParked = 256;

/**
 * Shares the events of a group between its members in this process. A key with unsettled events stays with the member that has
 * them, so that events of one key keep their order and never run at two members.
 */
export class GroupDispatcher {
  readonly members: Set<GroupMember> = new Set();
  readonly #lanes = new Map<string, Lane>();
  /** Events without a key that no member could take. */
  #keyless: Item[] = [];
  #parkedInLanes = 0;
  #rank = 0;
  #outstanding = 0;
  readonly #touched = new Set<Receiver>();
  readonly #onChange: () => void;
  #isPumpPlanned = false;

  /** @param onChange - Told when there may be room, or nothing is left. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get hasRoom(): boolean {
    if (this.#parkedInLanes + this.#keyless.length >= maxParked) return false;
    for (const member of this.members) if (!member.isLeaving) return true;
    return false;
  }

  /** Events that are with members. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Looks again who could take what waits. */
  wake(): void {
    this.#planPump();
  }

  add(member: GroupMember): void {
    this.members.add(member);
    member.receiver.onRoom = () => this.#planPump();
    this.#planPump();
  }

  /** Takes no more. What it has may still be settled, or comes back. */
  leave(member: GroupMember): void {
    member.isLeaving = true;
    member.receiver.onRoom = undefined;
    this.members.delete(member);
  }

  offer(decoded: Decoded, place: GroupPlace, record: OpenRecord): void {
    this.#place({ decoded, place, record, rank: this.#rank++, attempts: 0 });
  }

  /** Lets members handle what they were given. */
  run(): void {
    for (const receiver of this.#touched) {
      this.#touched.delete(receiver);
      receiver.run();
    }
  }

  #place(item: Item): void {
    const key = item.decoded.event?.key;
    if (key === undefined) {
      // Behind those that wait already: for one member the order of a topic is kept.
      const member = this.#keyless.length > 0 ? undefined : this.#memberFor(item);
      if (member === undefined) this.#keyless.push(item);
      else this.#hand(item, member, undefined);
      return;
    }
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, (lane = { holder: undefined, unsettled: 0, parked: [] }));
    const member = lane.parked.length > 0 ? undefined : this.#holderFor(lane, item);
    if (member === undefined) {
      lane.parked.push(item);
      this.#parkedInLanes++;
    } else this.#hand(item, member, lane);
  }

  #holderFor(lane: Lane, item: Item): GroupMember | undefined {
    if (lane.unsettled === 0) return this.#memberFor(item);
    const { holder } = lane;
    return holder !== undefined && canTake(holder, item) ? holder : undefined;
  }

  /** The one with most room. */
  #memberFor(item: Item): GroupMember | undefined {
    let [best, room] = [undefined as GroupMember | undefined, 0];
    for (const member of this.members) {
      const { capacity } = member.receiver;
      if (capacity > room && canTake(member, item)) [best, room] = [member, capacity];
    }
    return best;
  }

  #hand(item: Item, member: GroupMember, lane: Lane | undefined): void {
    const { event, raw } = item.decoded;
    this.#outstanding++;
    item.place.delivered++;
    if (lane !== undefined) {
      lane.holder = member;
      lane.unsettled++;
    }
    const acknowledgement: Acknowledgement = {
      begun: (attempt) => void (item.attempts = attempt),
      settled: () => {
        item.place.settled(item.record);
        this.#left(item, lane);
      },
      release: () => {
        this.#park(item, lane);
        this.#left(item, lane, !member.isLeaving);
        return true;
      },
    };
    if (event === undefined) member.receiver.undecodable(raw, acknowledgement);
    else member.receiver.enqueue(event, acknowledgement, item.attempts);
    this.#touched.add(member.receiver);
  }

  /** @param mayReturn - It was given back by a member that is still there, and may go to that one again. */
  #left(item: Item, lane: Lane | undefined, mayReturn = false): void {
    this.#outstanding--;
    item.place.returned();
    if (lane !== undefined && --lane.unsettled === 0) {
      lane.holder = undefined;
      if (lane.parked.length === 0) this.#lanes.delete(item.decoded.event!.key!);
    }
    if (this.#parkedInLanes + this.#keyless.length > 0) {
      // Who gives back whatever comes must not keep everything else from running.
      if (mayReturn) setImmediate(() => this.#planPump());
      else this.#planPump();
    }
    this.#onChange();
  }

  /** Puts back what a member gave back, at its old place. */
  #park(item: Item, lane: Lane | undefined): void {
    if (item.place.isLost) return;
    const parked = lane?.parked ?? this.#keyless;
    const at = parked.findIndex(({ rank }) => rank > item.rank);
    parked.splice(at === -1 ? parked.length : at, 0, item);
    if (lane !== undefined) this.#parkedInLanes++;
  }

  #planPump(): void {
    if (this.#isPumpPlanned) return;
    this.#isPumpPlanned = true;
    queueMicrotask(() => {
      this.#isPumpPlanned = false;
      this.#pump();
      this.#onChange();
    });
  }

  #pump(): void {
    if (this.#keyless.length > 0) {
      const left: Item[] = [];
      for (const item of this.#keyless) {
        const member = this.#memberFor(item);
        if (member === undefined) left.push(item);
        else this.#hand(item, member, undefined);
      }
      this.#keyless = left;
    }
    if (this.#parkedInLanes > 0) {
      for (const lane of this.#lanes.values()) this.#pumpLane(lane);
    }
    this.run();
  }

  #pumpLane(lane: Lane): void {
    for (let item = lane.parked[0]; item !== undefined; item = lane.parked[0]) {
      const member = this.#holderFor(lane, item);
      if (member === undefined) return;
      lane.parked.shift();
      this.#parkedInLanes--;
      this.#hand(item, member, lane);
    }
  }

  /** Takes back what members have of a place and have not begun; what they have of others goes to them again. */
  withdraw(place: GroupPlace): void {
    for (const { receiver } of this.members) if (place.delivered > 0) receiver.withdraw();
  }

  /** Forgets what waits for a place that is given up. What members have of it stays with them. */
  forget(place: GroupPlace): void {
    const isOther = (item: Item): boolean => item.place !== place;
    this.#keyless = this.#keyless.filter(isOther);
    for (const [key, lane] of this.#lanes) {
      const kept = lane.parked.filter(isOther);
      this.#parkedInLanes -= lane.parked.length - kept.length;
      lane.parked.splice(0, lane.parked.length, ...kept);
      if (lane.unsettled === 0 && kept.length === 0) this.#lanes.delete(key);
    }
  }
}

function canTake({ isLeaving, pattern, receiver }: GroupMember, { decoded, place }: Item): boolean {
  const topic = decoded.event?.topic ?? decoded.raw?.topic;
  return (
    !isLeaving &&
    !place.isHeld &&
    receiver.capacity > 0 &&
    topic !== undefined &&
    matchesTopic(pattern, topic)
  );
}
