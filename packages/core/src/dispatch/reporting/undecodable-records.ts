import type { Acknowledgement, RawRecord } from '../../contract/transport.ts';
import type { DeadLetterWriter } from './dead-letter-writer.ts';
import type { Reporter } from './reporter.ts';

/** How soon a dead letter that could not be written is tried again, in milliseconds. */
const retryMs = 1000;

interface PendingRecord {
  readonly record: RawRecord;
  readonly acknowledgement: Acknowledgement;
  readonly number: number;
}

/** Records that are not events. Each is acknowledged once its dead letter is written, and not before. */
export class UndecodableRecords {
  readonly #reporter: Reporter;
  readonly #deadLetters: DeadLetterWriter;
  readonly #onEnd: () => void;
  readonly #retries = new Map<NodeJS.Timeout, PendingRecord>();
  /** The unsettled records by their numbers, in the order in which they came. */
  readonly #pending = new Map<number, PendingRecord>();
  #count = 0;
  /** Records with a lower number are released if their dead letter cannot be written. */
  #withdrawnBelow = 0;
  #closed = false;

  /** @param onEnd - Called when a record is settled or released. */
  constructor(reporter: Reporter, deadLetters: DeadLetterWriter, onEnd: () => void) {
    this.#reporter = reporter;
    this.#deadLetters = deadLetters;
    this.#onEnd = onEnd;
  }

  /** How many records are not settled. */
  get size(): number {
    return this.#pending.size;
  }

  /** The number of the oldest unsettled record; undefined if there is none. */
  get oldest(): number | undefined {
    return this.#pending.keys().next().value;
  }

  add(record: RawRecord, acknowledgement: Acknowledgement): void {
    const pending = { record, acknowledgement, number: this.#count++ };
    this.#pending.set(pending.number, pending);
    this.#write(pending);
  }

  #write(pending: PendingRecord): void {
    if (this.#closed) {
      this.#release(pending);
      return;
    }
    this.#deadLetters.writeUndecodable(pending.record).then(
      (hasDeadLetter) => this.#settle(pending, hasDeadLetter),
      () => this.#retry(pending),
    );
  }

  #settle(pending: PendingRecord, hasDeadLetter: boolean): void {
    this.#end(pending, () => {
      this.#reporter.undecodable(pending.record, hasDeadLetter);
      pending.acknowledgement.settled();
    });
  }

  #retry(pending: PendingRecord): void {
    if (this.#closed || pending.number < this.#withdrawnBelow) {
      this.#release(pending);
      return;
    }
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.#write(pending);
    }, retryMs);
    this.#retries.set(timer, pending);
  }

  #release(pending: PendingRecord): void {
    const { record, acknowledgement } = pending;
    this.#end(pending, () => {
      // A record that its broker does not keep is lost, and counted as dropped.
      if (!acknowledgement.release()) this.#reporter.droppedRaw(record);
    });
  }

  #end({ number }: PendingRecord, outcome: () => void): void {
    // It was abandoned before.
    if (!this.#pending.delete(number)) return;
    try {
      outcome();
    } catch (error) {
      this.#reporter.fault(error);
    }
    this.#onEnd();
  }

  /** Withdraws, and takes no more records. */
  close(): void {
    this.#closed = true;
    this.withdraw();
  }

  /** Releases all records, also those whose dead letter is being written or that `onUndecodable` has not returned. */
  abandon(): void {
    for (const pending of [...this.#pending.values()]) this.#release(pending);
  }

  /** Releases the records that wait for another attempt. A dead letter that is being written is finished, but not tried again. */
  withdraw(): void {
    this.#withdrawnBelow = this.#count;
    const retries = [...this.#retries];
    this.#retries.clear();
    for (const [timer, pending] of retries) {
      clearTimeout(timer);
      this.#release(pending);
    }
  }
}
