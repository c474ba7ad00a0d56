import { appendFileSync, closeSync, openSync, readSync, statSync } from 'node:fs';

export interface LogRecord {
  readonly topic: string;
  readonly offset: number;
  readonly time: number;
  readonly bytes: Uint8Array;
}

/** The records of one partition, in a file with a record in each line. Several processes append to it. */
export class LogFile {
  readonly #path: string;
  readonly #topic: string;
  readonly #records: LogRecord[] = [];
  /** How many bytes of the file `#records` contains. */
  #read = 0;

  constructor(path: string, topic: string) {
    this.#path = path;
    this.#topic = topic;
  }

  /** The operating system appends a line as a whole, also if other processes append at the same time. */
  append(bytes: Uint8Array): void {
    const line = { time: Date.now(), body: Buffer.from(bytes).toString('base64') };
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }

  /** Every record that is in the file now. */
  records(): readonly LogRecord[] {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > this.#read) this.#readUpTo(size);
    return this.#records;
  }

  #readUpTo(size: number): void {
    const buffer = Buffer.alloc(size - this.#read);
    const file = openSync(this.#path, 'r');
    const length = readSync(file, buffer, 0, buffer.length, this.#read);
    closeSync(file);
    // The last line may not be complete yet.
    const end = buffer.lastIndexOf('\n', length - 1) + 1;
    this.#read += end;
    for (const line of buffer.toString('latin1', 0, end).split('\n').slice(0, -1)) {
      const { time, body } = JSON.parse(line) as { time: number; body: string };
      const bytes = Buffer.from(body, 'base64');
      this.#records.push({ topic: this.#topic, offset: this.#records.length, time, bytes });
    }
  }
}
