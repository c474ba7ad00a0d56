import type { Logger } from '../contract/observing.ts';

/** Warnings and errors go to the console; nothing else does. */
export const consoleLogger: Logger = {
  warn: (message, fields) => console.warn(`polybus: ${message}`, fields ?? ''),
  error: (message, fields) => console.error(`polybus: ${message}`, fields ?? ''),
};

/** Logs the first of a burst at once and then at most one line a second, with how many it stands for. */
export class BurstLog {
  readonly #write: (count: number, fields: Readonly<Record<string, unknown>>) => void;
  #nextAt = Number.NEGATIVE_INFINITY;
  #unlogged = 0;
  #fields: Readonly<Record<string, unknown>> = {};

  constructor(write: (count: number, fields: Readonly<Record<string, unknown>>) => void) {
    this.#write = write;
  }

  add(fields: Readonly<Record<string, unknown>>, now: number = performance.now()): void {
    this.#unlogged++;
    this.#fields = fields;
    if (now < this.#nextAt) return;
    this.#nextAt = now + 1000;
    this.flush();
  }

  /** Logs what has not been logged yet. */
  flush(): void {
    if (this.#unlogged === 0) return;
    this.#write(this.#unlogged, this.#fields);
    this.#unlogged = 0;
  }
}
