/** Compares what a consumer gets with what was published, in memory that does not grow with the number of events. */
export class Sequence {
  readonly #next: number[];
  handled = 0;
  repeated = 0;
  /** Events that did not come before a later event of their key. */
  skipped = 0;

  constructor(keys: number) {
    this.#next = Array.from({ length: keys }, () => 0);
  }

  /** Notes that a key's event came for the first time, or again. */
  note(key: number, seq: number): void {
    const next = this.#next[key]!;
    if (seq < next) {
      this.repeated++;
      return;
    }
    this.skipped += seq - next;
    this.handled++;
    this.#next[key] = seq + 1;
  }
}
