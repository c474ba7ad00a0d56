import type { Acknowledgement, RawRecord } from '../transport.ts';
import type { Reporter } from './reporter.ts';

/** How soon a dead letter that could not be written is tried again, in milliseconds. */
const retryMs = 1000;

/** Records that are no events: each is acknowledged once its dead letter is written, and not before. */
export class UndecodableRecords {
  readonly #reporter: Reporter;
  readonly #onEnd: () => void;
  readonly #retries = new Map<NodeJS.Timeout, { record: RawRecord; acknowledgement: Acknowledgement }>();
  #writing = 0;
  #closed = false;

  /** @param onEnd - Told when one has been dealt with, or was given back. */
  constructor(reporter: Reporter, onEnd: () => void) {
    this.#reporter = reporter;
    this.#onEnd = onEnd;
  }

  /** How many are being dealt with. */
  get size(): number {
    return this.#writing + this.#retries.size;
  }

  deal(record: RawRecord, acknowledgement: Acknowledgement): void {
    if (this.#closed) {
      this.#giveBack(record, acknowledgement);
      return;
    }
    this.#writing++;
    this.#reporter.undecodable(record).then(
      () => {
        this.#writing--;
        this.#tell(() => acknowledgement.settled());
      },
      () => {
        this.#writing--;
        this.#retry(record, acknowledgement);
      },
    );
  }

  #retry(record: RawRecord, acknowledgement: Acknowledgement): void {
    if (this.#closed) {
      this.#giveBack(record, acknowledgement);
      return;
    }
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.deal(record, acknowledgement);
    }, retryMs);
    this.#retries.set(timer, { record, acknowledgement });
  }

  #giveBack(record: RawRecord, acknowledgement: Acknowledgement): void {
    this.#tell(() => {
      // Where the broker does not keep it, it is gone, and that is counted.
      if (!acknowledgement.release()) this.#reporter.droppedRaw(record);
    });
  }

  #tell(outcome: () => void): void {
    try {
      outcome();
    } catch (error) {
      this.#reporter.fault(error);
    }
    this.#onEnd();
  }

  /** Gives back what waits for another try; what is being written is waited for. */
  close(): void {
    this.#closed = true;
    const retries = [...this.#retries];
    this.#retries.clear();
    for (const [timer, { record, acknowledgement }] of retries) {
      clearTimeout(timer);
      this.#giveBack(record, acknowledgement);
    }
  }
}
