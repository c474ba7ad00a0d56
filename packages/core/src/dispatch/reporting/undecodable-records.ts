import type { Acknowledgement, RawRecord } from '../../contract/transport.ts';
import { runInWork } from '../current-work.ts';
import type { DeliveryOwner, DeliveryState, Work } from '../delivery.ts';
import type { DeadLetterWriter } from './dead-letter-writer.ts';
import type { Reporter } from './reporter.ts';

/** How soon a dead letter that could not be written is tried again, in milliseconds. */
const retryMs = 1000;

class PendingRecord implements Work {
  readonly record: RawRecord;
  readonly acknowledgement: Acknowledgement;
  readonly number: number;
  readonly queue: DeliveryOwner;
  state: DeliveryState = 'running';
  readonly isWritingDeadLetter = false;
  readonly event = undefined;
  waits = 0;

  constructor(record: RawRecord, acknowledgement: Acknowledgement, number: number, queue: DeliveryOwner) {
    this.record = record;
    this.acknowledgement = acknowledgement;
    this.number = number;
    this.queue = queue;
  }
}

/** Records that are not events. Each is acknowledged once its dead letter is written, and not before. */
export class UndecodableRecords {
  readonly #owner: DeliveryOwner;
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
  constructor(owner: DeliveryOwner, reporter: Reporter, deadLetters: DeadLetterWriter, onEnd: () => void) {
    this.#owner = owner;
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
    const pending = new PendingRecord(record, acknowledgement, this.#count++, this.#owner);
    this.#pending.set(pending.number, pending);
    this.#write(pending);
  }

  #write(pending: PendingRecord): void {
    if (this.#closed) {
      this.#release(pending);
      return;
    }
    // In the context of the record: `onUndecodable` may cancel the subscription that waits for it.
    const writing = runInWork(pending, () => this.#deadLetters.writeUndecodable(pending.record));
    writing.then(
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

  #end(pending: PendingRecord, outcome: () => void): void {
    // It was abandoned before.
    if (!this.#pending.delete(pending.number)) return;
    pending.state = 'done';
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
