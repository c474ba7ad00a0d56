/** A record whose events are being handled. */
export interface OpenRecord {
  readonly sequenceNumber: string;
  /** Events that are not settled yet. */
  left: number;
  /** It has events for the group, settled here or elsewhere. */
  readonly isWanted: boolean;
}

/** How many records beyond the prefix are noted. */
const maxAhead = 256;

/** What is settled in a shard: up to where without a gap, and what beyond it. */
export class SettledPrefix {
  #open: OpenRecord[] = [];
  #first = 0;
  /** The last record of the prefix; undefined while there is none. */
  sequenceNumber: string | undefined = undefined;

  /**
   * @param events - How many of its events have to be settled.
   * @param isWanted - False where nobody wants it: then it need not be noted either.
   */
  begin(sequenceNumber: string, events: number, isWanted: boolean = events > 0): OpenRecord {
    const record: OpenRecord = { sequenceNumber, left: events, isWanted };
    if (events === 0 && this.isEmpty) this.sequenceNumber = sequenceNumber;
    else this.#open.push(record);
    return record;
  }

  settled(record: OpenRecord): void {
    record.left--;
    for (let head = this.#open[this.#first]; head?.left === 0; head = this.#open[++this.#first]) {
      this.sequenceNumber = head.sequenceNumber;
    }
    if (this.#first > 1000 || this.#first === this.#open.length) {
      this.#open = this.#open.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Nothing is unsettled. */
  get isEmpty(): boolean {
    return this.#first === this.#open.length;
  }

  /** The records beyond the prefix that are settled. Those that nobody wanted are left out. */
  get ahead(): string[] {
    const ahead: string[] = [];
    for (let i = this.#first; i < this.#open.length && ahead.length < maxAhead; i++) {
      const { sequenceNumber, left, isWanted } = this.#open[i]!;
      if (left === 0 && isWanted) ahead.push(sequenceNumber);
    }
    return ahead;
  }
}
