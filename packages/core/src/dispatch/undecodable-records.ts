import type { Acknowledgement, RawRecord } from '../transport.ts';
import type { Reporter } from './reporter.ts';

/** How soon a dead letter that could not be written is tried again, in milliseconds. */
const retryMs = 1000;

/** Records that are no events: each is acknowledged once its dead letter is written, and not before. */
export class UndecodableRecords {
  readonly #reporter: Reporter;
  readonly #retries = new Map<NodeJS.Timeout, Acknowledgement>();
  #closed = false;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  deal(record: RawRecord, acknowledgement: Acknowledgement): void {
    if (this.#closed) {
      acknowledgement.release();
      return;
    }
    this.#reporter.undecodable(record).then(
      () => acknowledgement.settled(),
      () => this.#retry(record, acknowledgement),
    );
  }

  #retry(record: RawRecord, acknowledgement: Acknowledgement): void {
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.deal(record, acknowledgement);
    }, retryMs);
    this.#retries.set(timer, acknowledgement);
    if (this.#closed) this.close();
  }

  /** Gives back what has not been dealt with. */
  close(): void {
    this.#closed = true;
    for (const [timer, acknowledgement] of this.#retries) {
      clearTimeout(timer);
      acknowledgement.release();
    }
    this.#retries.clear();
  }
}
