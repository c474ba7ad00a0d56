import type { Acknowledgement } from '@polybus/core/engine';
import type { StreamEntry } from '../store/stream-entry.ts';
import type { LeasedTopic } from './member-lease.ts';

/** The functions of a member that its topics call. All topics of a member share its room. */
export interface TopicOwner {
  readonly group: string;
  readonly consumer: string;
  readonly isStopped: boolean;
  /** How many more entries the member can take. */
  readonly room: number;
  /** How many entries the topic may read now. If there is no room, the member lets the topic continue when there is. */
  shareOf(topic: LeasedTopic): number;
  /** How many more handlers can run. */
  readonly freeHandlers: number;
  /** Changes when entries are released or lost. An answer to an earlier read may contain later entries of their keys. */
  readonly releases: number;
  /** Keeps room for a read that is on its way. A negative number frees it. */
  reserve(count: number): void;
  enqueue(topic: string, entry: StreamEntry, acknowledgement: Acknowledgement): void;
  /** Starts handlers for enqueued entries. */
  run(): void;
  /** An entry was settled or released. */
  removed(isReleased: boolean): void;
  /** Gives back all events that have not begun. */
  withdraw(): void;
  /** The topic's entries have been compared with the server's. */
  confirmed(topic: LeasedTopic): void;
  /** Makes the blocking reader start again with another list of streams. */
  interrupt(): void;
}
