import type { FetchedRecord } from '../client/fetched-record.ts';

/** A position from which a partition is read: that of a group, or of a subscription without a group. */
export interface Cursor {
  readonly topic: string;
  readonly partition: number;
  /** The offset of the next record to read. */
  position: number;
  /** False if it has no room for records, or if reading is paused. */
  readonly isOpen: boolean;
  /** Takes the records from its position on. */
  take(records: readonly FetchedRecord[]): void;
  /** Hands over records that it took, up to `limit` and while there is room. Returns whether it handed over `limit` records. */
  handOver(limit: number): boolean;
  /** Starts handling the delivered records. */
  run(): void;
  /** Continues at another offset, because the partition has no record at its position; `isLoss` if records between were lost. */
  move(position: number, isLoss: boolean): void;
}
