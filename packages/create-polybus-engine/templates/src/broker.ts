import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type OnRecord = (topic: string, bytes: Uint8Array) => void;

/**
 * A stand-in for a broker: a file with a record in each line, which passes records to every process of the machine. Nobody reads a
 * record later. Replace the class with your client.
 */
export class Broker {
  readonly #file: string;
  /** Exists while the broker is down. */
  readonly #down: string;

  constructor(url: string) {
    this.#file = join(tmpdir(), `__TYPE__-${encodeURIComponent(url)}.log`);
    this.#down = `${this.#file}.down`;
    appendFileSync(this.#file, '');
  }

  setUp(isUp: boolean): void {
    if (isUp) rmSync(this.#down, { force: true });
    else writeFileSync(this.#down, '');
  }

  assertUp(): void {
    if (existsSync(this.#down)) throw new Error('the broker does not answer');
  }

  append(topic: string, bytes: Uint8Array): void {
    this.assertUp();
    appendFileSync(this.#file, `${topic} ${Buffer.from(bytes).toString('base64')}\n`);
  }

  /** Calls the function for each record that a process appends from now on. Returns a function that ends this. */
  listen(onRecord: OnRecord): () => void {
    let position = statSync(this.#file).size;
    const read = (): void => {
      for (const line of this.#linesFrom(position)) {
        position += line.length + 1;
        const [topic = '', body = ''] = line.split(' ');
        onRecord(topic, Buffer.from(body, 'base64'));
      }
    };
    const watcher = watch(this.#file, read);
    // What was appended before the file was watched.
    read();
    return () => watcher.close();
  }

  #linesFrom(position: number): string[] {
    const buffer = Buffer.alloc(statSync(this.#file).size - position);
    const file = openSync(this.#file, 'r');
    readSync(file, buffer, 0, buffer.length, position);
    closeSync(file);
    // The last line may not be complete yet.
    return buffer.toString('latin1').split('\n').slice(0, -1);
  }

  remove(): void {
    for (const file of [this.#file, this.#down]) rmSync(file, { force: true });
  }
}
