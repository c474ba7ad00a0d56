import { UndecodableRecordError } from '@polybus/core';
import { decodeRecord } from '@polybus/core/cloudevents';
import type { Acknowledgement, ReadProgress, Receiver } from '@polybus/core/engine';
import type { Position } from './group-file.ts';
import type { LogBroker, PartitionInfo } from './log-broker.ts';
import type { LogRecord } from './log-file.ts';

/** A partition that is read for one subscription: which of its records are settled, delivered, or to be read. */
export class Partition {
  readonly info: PartitionInfo;
  readonly group: string | undefined;
  /** Nothing more is delivered from it, because the subscription ends or another member is to have the partition. */
  isLeaving = false;
  /** It has changes that are not committed. */
  isDirty = false;
  /** The offset to read next. */
  #next: number;
  /** Every record before this offset is settled. */
  #first: number;
  readonly #ahead: Set<number>;
  readonly #attempts: Map<number, number>;
  /** The offsets of delivered records that are neither settled nor released. */
  readonly #delivered = new Set<number>();
  readonly #onChange: () => void;

  constructor(info: PartitionInfo, group: string | undefined, position: Position, onChange: () => void) {
    this.info = info;
    this.group = group;
    this.#next = this.#first = position.first;
    this.#ahead = new Set(position.ahead);
    this.#attempts = new Map(position.attempts);
    this.#onChange = onChange;
  }

  /** For a commit. With the first unsettled offset alone, the next owner would repeat the events that are settled after it. */
  get position(): Position {
    return { first: this.#first, ahead: [...this.#ahead], attempts: [...this.#attempts] };
  }

  get isIdle(): boolean {
    return this.#delivered.size === 0;
  }

  /** Delivers records until the receiver has no capacity, or until the end of the log. */
  read(broker: LogBroker, receiver: Receiver): void {
    while (!this.isLeaving && receiver.capacity > 0) {
      const records = broker.read(this.info.id, this.#next, receiver.capacity);
      if (records.length === 0) return;
      for (const record of records) {
        // A handler stopped the subscription, or an earlier record was released: it is read again in the next turn.
        if (this.isLeaving || record.offset !== this.#next) return;
        this.#next++;
        if (this.#isOpen(record.offset)) this.#deliver(record, receiver);
      }
    }
  }

  #isOpen(offset: number): boolean {
    return offset >= this.#first && !this.#ahead.has(offset) && !this.#delivered.has(offset);
  }

  #deliver({ topic, offset, bytes }: LogRecord, receiver: Receiver): void {
    const acknowledgement = this.#begin(offset);
    let event;
    try {
      event = decodeRecord({ body: bytes }, { topic });
    } catch (error) {
      if (!(error instanceof UndecodableRecordError)) throw error;
      receiver.undecodable({ topic, bytes, error }, acknowledgement);
      return;
    }
    receiver.deliver(event, acknowledgement, this.#attempts.get(offset));
  }

  #begin(offset: number): Acknowledgement {
    this.#delivered.add(offset);
    const changed = (): void => {
      this.isDirty = true;
      this.#onChange();
    };
    return {
      begun: (attempt) => {
        this.#attempts.set(offset, attempt);
        changed();
      },
      settled: () => {
        this.#delivered.delete(offset);
        this.#attempts.delete(offset);
        this.#ahead.add(offset);
        while (this.#ahead.delete(this.#first)) this.#first++;
        changed();
      },
      release: () => {
        this.#delivered.delete(offset);
        this.#next = Math.min(this.#next, offset);
        this.#onChange();
        // Nobody else reads for a subscription without a group.
        return this.group !== undefined || !this.isLeaving;
      },
    };
  }

  /** The number of events before the end of the log that are not settled. */
  lag(end: number): number {
    return end - this.#first - this.#ahead.size;
  }

  progress(error: Error | undefined): ReadProgress {
    const { topic, index } = this.info;
    const reader = this.group === undefined ? '' : ` for the group "${this.group}"`;
    const behind = error === undefined ? undefined : `reading fails: ${error.message}`;
    return { source: `partition ${index} of "${topic}"${reader}`, position: this.#next, behind };
  }
}
