/** A record whose events are not all settled. */
export interface OpenRecord {
  readonly sequenceNumber: string;
  /** Number of events that are not settled. */
  left: number;
  /** The record has events for the group, settled by this process or another. */
  readonly isWanted: boolean;
  /** 1 for each settled event of the record; undefined for a record of one event. */
  readonly done: Uint8Array | undefined;
}

/** Maximum number of notes about records after the prefix. */
const maxAhead = 256;

/** Which records of a shard are settled: the contiguous prefix, and the records after it. */
export class SettledPrefix {
  #open: OpenRecord[] = [];
  #first = 0;
  /** The last record of the prefix; undefined while the prefix is empty. */
  sequenceNumber: string | undefined = undefined;

  /**
   * Adds the next record of the shard.
   *
   * @param events - The number of its events that must be settled.
   * @param isWanted - False if the group needs none of its events: then the record needs no note.
   * @param done - The events of a record of several that are settled already.
   */
  begin(sequenceNumber: string, events: number, isWanted: boolean, done?: Uint8Array): OpenRecord {
    const record: OpenRecord = { sequenceNumber, left: events, isWanted, done };
    if (events === 0 && this.isEmpty) this.sequenceNumber = sequenceNumber;
    else this.#open.push(record);
    return record;
  }

  /** @param index - The index of the event in the record. */
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

  /** Every record is settled. */
  get isEmpty(): boolean {
    return this.#first === this.#open.length;
  }

  /** Notes about the records after the prefix that are settled, or partly settled. Records that the group does not need have none. */
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

/** Maximum number of runs of settled events in a note. Events that are settled after the last run are handled again after a crash. */
const maxRuns = 32;

/** The record and its settled events: "123:0-4,7". */
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

/** The settled events of a record according to its note, if it has one. */
export function doneIn(note: string | undefined, events: number): Uint8Array {
  const done = new Uint8Array(events);
  for (const run of note?.split(':')[1]?.split(',') ?? []) {
    const [from, to = from] = run.split('-').map(Number);
    done.fill(1, from, to! + 1);
  }
  return done;
}
