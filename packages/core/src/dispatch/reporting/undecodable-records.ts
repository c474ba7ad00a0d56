import type { Acknowledgement, RawRecord } from '../../contract/transport.ts';
import type { Reporter } from './reporter.ts';

/** How soon a dead letter that could not be written is tried again, in milliseconds. */
const retryMs = 1000;

interface Dealt {
  readonly record: RawRecord;
  readonly acknowledgement: Acknowledgement;
  readonly number: number;
}

/** Records that are no events: each is acknowledged once its dead letter is written, and not before. */
export class UndecodableRecords {
  readonly #reporter: Reporter;
  readonly #onEnd: () => void;
  readonly #retries = new Map<NodeJS.Timeout, Dealt>();
  /** The numbers of those that are being dealt with, in the order in which they came. */
  readonly #pending = new Set<number>();
  #count = 0;
  #closed = false;

  /** @param onEnd - Told when one has been dealt with, or was given back. */
  constructor(reporter: Reporter, onEnd: () => void) {
    this.#reporter = reporter;
    this.#onEnd = onEnd;
  }

  /** How many are being dealt with. */
  get size(): number {
    return this.#pending.size;
  }

  /** The number of the one that has waited longest; undefined if there is none. */
  get oldest(): number | undefined {
    return this.#pending.values().next().value;
  }

  deal(record: RawRecord, acknowledgement: Acknowledgement): void {
    const dealt = { record, acknowledgement, number: this.#count++ };
    this.#pending.add(dealt.number);
    this.#write(dealt);
  }

  #write(dealt: Dealt): void {
    if (this.#closed) {
      this.#giveBack(dealt);
      return;
    }
    this.#reporter.undecodable(dealt.record).then(
      () => this.#end(dealt, () => dealt.acknowledgement.settled()),
      () => this.#retry(dealt),
    );
  }

  #retry(dealt: Dealt): void {
    if (this.#closed) {
      this.#giveBack(dealt);
      return;
    }
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.#write(dealt);
    }, retryMs);
    this.#retries.set(timer, dealt);
  }

  #giveBack(dealt: Dealt): void {
    const { record, acknowledgement } = dealt;
    this.#end(dealt, () => {
      // Where the broker does not keep it, it is gone, and that is counted.
      if (!acknowledgement.release()) this.#reporter.droppedRaw(record);
    });
  }

  #end({ number }: Dealt, outcome: () => void): void {
    this.#pending.delete(number);
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
    for (const [timer, dealt] of retries) {
      clearTimeout(timer);
      this.#giveBack(dealt);
    }
  }
}
