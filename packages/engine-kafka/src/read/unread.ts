import type { FetchedRecord } from '../client/fetched-record.ts';

/** Records that were read and not handed over yet. */
export class Unread {
  #records: readonly FetchedRecord[] = [];
  #from = 0;

  get size(): number {
    return this.#records.length - this.#from;
  }

  get first(): FetchedRecord | undefined {
    return this.#records[this.#from];
  }

  add(records: readonly FetchedRecord[]): void {
    this.#records = this.size === 0 ? records : [...this.#records.slice(this.#from), ...records];
    this.#from = 0;
  }

  shift(): void {
    this.#from++;
    // Released at once: each record keeps the whole answer that it came with in memory.
    if (this.#from === this.#records.length) [this.#records, this.#from] = [none, 0];
  }
}

const none: readonly FetchedRecord[] = [];
