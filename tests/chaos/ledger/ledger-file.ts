import { closeSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { now } from './clock.ts';
import type { Entry, Ledger } from './entries.ts';

const ending = '.ledger';

/** An entry without its time, which the writer adds. */
export type NewEntry = Entry extends infer One ? (One extends Entry ? Omit<One, 'at'> : never) : never;

/**
 * Appends entries to a file. Each entry is with the operating system before `write` returns, so that it survives a SIGKILL of the
 * process.
 */
export class LedgerWriter {
  readonly #file: number;

  constructor(folder: string, process: string) {
    this.#file = openSync(join(folder, `${process}${ending}`), 'a');
  }

  write(entry: NewEntry): void {
    writeSync(this.#file, `${JSON.stringify({ at: now(), ...entry })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Reads all ledgers of a folder. The processes may still be writing. */
export function readLedgers(folder: string): Ledger[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => ({
      process: basename(name, ending),
      entries: parse(readFileSync(join(folder, name), 'utf8')),
    }));
}

function parse(text: string): Entry[] {
  // Behind the last line break there is nothing, or a line that is being written.
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Entry);
}
