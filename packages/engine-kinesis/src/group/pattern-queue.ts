import type { Receiver } from '@polybus/core/engine';
import type { Decoded } from '@polybus/core/engine-kit';
import type { OpenRecord } from './settled-prefix.ts';

/** A subscription of the group in this process. */
export interface LocalMember {
  readonly pattern: string;
  readonly receiver: Receiver;
  isLeaving: boolean;
}

/** The lease under which an event was read, as far as the dispatcher needs it. */
export interface EventLease {
  /** The events of its pattern. */
  readonly queue: PatternQueue;
  /** No event of the lease goes to members now. */
  readonly isPaused: boolean;
  /** Another process holds the lease. */
  readonly isLost: boolean;
  /** Events that members have and have not settled. */
  unsettled: number;
  /** An event of a record is settled. */
  settled(record: OpenRecord, index: number): void;
  /** A member has settled an event, or released it. */
  returned(): void;
}

/** An event that waits for a member or that a member has. */
export interface GroupEvent {
  readonly decoded: Decoded;
  readonly lease: EventLease;
  readonly record: OpenRecord;
  /** Its index among the events of the record. */
  readonly index: number;
  /** Its rank in the order of reading, over all leases of this process. */
  readonly rank: number;
  /** Attempts that began here without a result, because the event was released. */
  attempts: number;
}

/** The events of one key. One member at a time has them. */
export interface KeyQueue {
  /** The member that has unsettled events of the key. */
  holder: LocalMember | undefined;
  /** Events that the holder has and has not settled. */
  unsettled: number;
  /** In the order of their rank. */
  waiting: GroupEvent[];
}

/** If more events than this wait for members, reading stops. */
const maxWaiting = 256;

/** The events of one pattern of a group that no member could take. A pattern that nobody takes events of does not block the others. */
export class PatternQueue {
  readonly byKey: Map<string, KeyQueue> = new Map();
  /** Events without a key that wait. */
  keyless: GroupEvent[] = [];
  /** Number of events with a key that wait. */
  waitingWithKey = 0;

  get isWaiting(): boolean {
    return this.waitingWithKey + this.keyless.length > 0;
  }

  get hasRoom(): boolean {
    return this.waitingWithKey + this.keyless.length < maxWaiting;
  }

  queueOf(key: string): KeyQueue {
    let queue = this.byKey.get(key);
    if (queue === undefined) this.byKey.set(key, (queue = { holder: undefined, unsettled: 0, waiting: [] }));
    return queue;
  }

  /** Puts back an event that a member has released, according to its rank. */
  putBack(event: GroupEvent, queue: KeyQueue | undefined): void {
    const waiting = queue?.waiting ?? this.keyless;
    const at = waiting.findIndex(({ rank }) => rank > event.rank);
    waiting.splice(at === -1 ? waiting.length : at, 0, event);
    if (queue !== undefined) this.waitingWithKey++;
  }

  /** Removes the waiting events of a lease. */
  remove(lease: EventLease): void {
    const isOther = (event: GroupEvent): boolean => event.lease !== lease;
    this.keyless = this.keyless.filter(isOther);
    for (const [key, queue] of this.byKey) {
      const kept = queue.waiting.filter(isOther);
      this.waitingWithKey -= queue.waiting.length - kept.length;
      queue.waiting = kept;
      if (queue.unsettled === 0 && kept.length === 0) this.byKey.delete(key);
    }
  }
}
