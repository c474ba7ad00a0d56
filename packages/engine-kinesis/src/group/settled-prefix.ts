/** A record whose events are being handled. */
export interface OpenRecord {
  readonly sequenceNumber: string;
  /** Events that are not settled yet. */
  left: number;
  /** It has events for the group, settled here or elsewhere. */
  readonly isWanted: boolean;
  /** 1 for each event of it that is settled; undefined for a record of one event. */
  readonly done: Uint8Array | undefined;
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
   * @param done - Of a record of several events, what is settled already.
   */
  begin(sequenceNumber: string, events: number, isWanted: boolean, done?: Uint8Array): OpenRecord {
    const record: OpenRecord = { sequenceNumber, left: events, isWanted, done };
    if (events === 0 && this.isEmpty) this.sequenceNumber = sequenceNumber;
    else this.#open.push(record);
    return record;
  }

  /** @param index - Which of the record's events. */
  settled(record: OpenRecord, index: number): void {
    record.left--;
    if (record.done !== undefined) record.done[index] = 1;
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

  /** Notes of the records beyond the prefix that are settled, or a part of them. Those that nobody wanted are left out. */
  get ahead(): string[] {
    const ahead: string[] = [];
    for (let i = this.#first; i < this.#open.length && ahead.length < maxAhead; i++) {
      const { sequenceNumber, left, isWanted, done } = this.#open[i]!;
      if (left === 0) {
        if (isWanted) ahead.push(sequenceNumber);
      } else if (done?.includes(1) === true) ahead.push(partNote(sequenceNumber, done));
    }
    return ahead;
  }
}

/** How many runs of settled events the note of a record may have. What comes after them is handled again after a crash. */
const maxRuns = 32;

/** The record, and which of its events are settled: "123:0-4,7". */
function partNote(sequenceNumber: string, done: Uint8Array): string {
  const runs: string[] = [];
  for (let from = done.indexOf(1); from !== -1 && runs.length < maxRuns;) {
    const end = done.indexOf(0, from);
    const to = (end === -1 ? done.length : end) - 1;
    runs.push(from === to ? `${from}` : `${from}-${to}`);
    from = done.indexOf(1, to + 1);
  }
  return `${sequenceNumber}:${runs.join()}`;
}

/** The sequence number in a note. */
export function sequenceNumberIn(note: string): string {
  const at = note.indexOf(':');
  return at === -1 ? note : note.slice(0, at);
}

/** What the note of a record, if there is one, says of its events. */
export function doneIn(note: string | undefined, events: number): Uint8Array {
  const done = new Uint8Array(events);
  for (const run of note?.split(':')[1]?.split(',') ?? []) {
    const [from, to = from] = run.split('-').map(Number);
    done.fill(1, from, to! + 1);
  }
  return done;
}
