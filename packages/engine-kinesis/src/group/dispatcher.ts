import { type Acknowledgement, type Receiver, matchesTopic } from '@polybus/core/engine';
import type { GroupPlace } from './place.ts';
import { GroupShare, type Item, type Lane } from './share.ts';
import type { Decoded } from '../read/record.ts';
import type { OpenRecord } from './settled-prefix.ts';

/** One subscription of a group. */
export interface GroupMember {
  readonly pattern: string;
  readonly receiver: Receiver;
  isLeaving: boolean;
}

/**
 * Shares the events of a group between its members in this process. A key with unsettled events stays with the member that has
 * them, so that events of one key keep their order and never run at two members.
 */
export class GroupDispatcher {
  readonly members: Set<GroupMember> = new Set();
  readonly #shares = new Map<string, GroupShare>();
  #rank = 0;
  #outstanding = 0;
  readonly #touched = new Set<Receiver>();
  readonly #onChange: () => void;
  readonly #mayBegin: () => boolean;
  #isPumpPlanned = false;

  /**
   * @param onChange - Told when there may be room, or nothing is left.
   * @param mayBegin - False while it is not sure that what members were given is still theirs. `wake` once it is.
   */
  constructor(onChange: () => void, mayBegin: () => boolean) {
    this.#onChange = onChange;
    this.#mayBegin = mayBegin;
  }

  /** The share that the events of a pattern have in it. */
  shareOf(pattern: string): GroupShare {
    let share = this.#shares.get(pattern);
    if (share === undefined) this.#shares.set(pattern, (share = new GroupShare()));
    return share;
  }

  get hasMembers(): boolean {
    for (const member of this.members) if (!member.isLeaving) return true;
    return false;
  }

  /** Events that are with members. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Looks again who could take what waits, and whether what members have may begin. */
  wake(): void {
    for (const { receiver } of this.members) this.#touched.add(receiver);
    this.#planPump();
  }

  add(member: GroupMember): void {
    this.members.add(member);
    member.receiver.mayBegin = this.#mayBegin;
    member.receiver.onRoom = () => this.#planPump();
    this.#planPump();
  }

  /** Takes no more. What it has may still be settled, or comes back. */
  leave(member: GroupMember): void {
    member.isLeaving = true;
    member.receiver.onRoom = undefined;
    this.members.delete(member);
  }

  offer(decoded: Decoded, place: GroupPlace, record: OpenRecord, index: number): void {
    this.#place({ decoded, place, record, index, rank: this.#rank++, attempts: 0 });
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
    const { share } = item.place;
    if (key === undefined) {
      // Behind those that wait already: for one member the order of a topic is kept.
      const member = share.keyless.length > 0 ? undefined : this.#memberFor(item);
      if (member === undefined) share.keyless.push(item);
      else this.#hand(item, member, undefined);
      return;
    }
    const lane = share.laneOf(key);
    const member = lane.parked.length > 0 ? undefined : this.#holderFor(lane, item);
    if (member === undefined) {
      lane.parked.push(item);
      share.parkedInLanes++;
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
        item.place.settled(item.record, item.index);
        this.#left(item, lane);
      },
      release: () => {
        if (!item.place.isLost) item.place.share.park(item, lane);
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
    const { share } = item.place;
    if (lane !== undefined && --lane.unsettled === 0) {
      lane.holder = undefined;
      if (lane.parked.length === 0) share.lanes.delete(item.decoded.event!.key!);
    }
    if (share.isParked) {
      // Who gives back whatever comes must not keep everything else from running.
      if (mayReturn) setImmediate(() => this.#planPump());
      else this.#planPump();
    }
    this.#onChange();
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
    // The dead letter of a record that is no event is written as soon as a member has it.
    if (!this.#mayBegin()) return;
    for (const share of this.#shares.values()) if (share.isParked) this.#pumpShare(share);
    this.run();
  }

  #pumpShare(share: GroupShare): void {
    const { keyless } = share;
    // What is given back at once goes to another list, and is put at its place afterwards.
    share.keyless = [];
    const left: Item[] = [];
    let next = 0;
    // One record may hold a hundred thousand of them: they are not looked through where nobody has room.
    for (; next < keyless.length && this.#hasRoom; next++) {
      const item = keyless[next]!;
      const member = this.#memberFor(item);
      if (member === undefined) left.push(item);
      else this.#hand(item, member, undefined);
    }
    const returned = share.keyless;
    share.keyless = left.concat(keyless.slice(next));
    for (const item of returned) share.park(item, undefined);
    if (share.parkedInLanes === 0) return;
    for (const lane of share.lanes.values()) {
      if (!this.#hasRoom) return;
      this.#pumpLane(share, lane);
    }
  }

  get #hasRoom(): boolean {
    for (const { receiver } of this.members) if (receiver.capacity > 0) return true;
    return false;
  }

  #pumpLane(share: GroupShare, lane: Lane): void {
    for (let item = lane.parked[0]; item !== undefined; item = lane.parked[0]) {
      const member = this.#holderFor(lane, item);
      if (member === undefined) return;
      lane.parked.shift();
      share.parkedInLanes--;
      this.#hand(item, member, lane);
    }
  }

  /** Takes back what members have of a place and have not begun; what they have of others goes to them again. */
  withdraw(place: GroupPlace): void {
    for (const { receiver } of this.members) if (place.delivered > 0) receiver.withdraw();
  }

  /** Forgets what waits for a place that is given up. What members have of it stays with them. */
  forget(place: GroupPlace): void {
    place.share.forget(place);
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
