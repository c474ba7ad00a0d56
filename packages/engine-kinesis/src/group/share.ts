import type { Decoded } from '../read/record.ts';
import type { GroupMember } from './dispatcher.ts';
import type { GroupPlace } from './place.ts';
import type { OpenRecord } from './settled-prefix.ts';

/** An event on its way to one of the members. */
export interface Item {
  readonly decoded: Decoded;
  readonly place: GroupPlace;
  readonly record: OpenRecord;
  /** Which of the record's events it is. */
  readonly index: number;
  /** Its rank among all events of this process's share of the group. */
  readonly rank: number;
  /** Attempts at it that began here and came to nothing, because it was given back. */
  attempts: number;
}

/** Events of one key: one member at a time has them. */
export interface Lane {
  holder: GroupMember | undefined;
  /** Handed over to the holder and not settled. */
  unsettled: number;
  /** In the order of their rank. */
  parked: Item[];
}

/** More than so many events that no member can take now, and reading stops. */
const maxParked = 256;

/** The events of one pattern of a group. What nobody takes of it holds up nothing of the others. */
export class GroupShare {
  readonly lanes: Map<string, Lane> = new Map();
  /** Events without a key that no member could take. */
  keyless: Item[] = [];
  parkedInLanes = 0;

  get isParked(): boolean {
    return this.parkedInLanes + this.keyless.length > 0;
  }

  get hasRoom(): boolean {
    return this.parkedInLanes + this.keyless.length < maxParked;
  }

  laneOf(key: string): Lane {
    let lane = this.lanes.get(key);
    if (lane === undefined) this.lanes.set(key, (lane = { holder: undefined, unsettled: 0, parked: [] }));
    return lane;
  }

  /** Puts back what a member gave back, at its old place. */
  park(item: Item, lane: Lane | undefined): void {
    const parked = lane?.parked ?? this.keyless;
    const at = parked.findIndex(({ rank }) => rank > item.rank);
    parked.splice(at === -1 ? parked.length : at, 0, item);
    if (lane !== undefined) this.parkedInLanes++;
  }

  /** Forgets what waits for a place that is given up. */
  forget(place: GroupPlace): void {
    const isOther = (item: Item): boolean => item.place !== place;
    this.keyless = this.keyless.filter(isOther);
    for (const [key, lane] of this.lanes) {
      const kept = lane.parked.filter(isOther);
      this.parkedInLanes -= lane.parked.length - kept.length;
      lane.parked = kept;
      if (lane.unsettled === 0 && kept.length === 0) this.lanes.delete(key);
    }
  }
}
