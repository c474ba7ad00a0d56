import type { Logger } from '../contract/observing.ts';

/** Logs warnings and errors to the console, and nothing else. */
export const consoleLogger: Logger = {
  warn: (message, fields) => console.warn(`polybus: ${message}`, fields ?? ''),
  error: (message, fields) => console.error(`polybus: ${message}`, fields ?? ''),
};

/**
 * Logs the first line of a burst at once, then at most one line a second with the number of entries that it stands for. The last line
 * comes a second after the line before it, even if no entry follows.
 */
export class BurstLog {
  readonly #write: (count: number, fields: Readonly<Record<string, unknown>>) => void;
  #nextAt = Number.NEGATIVE_INFINITY;
  #unlogged = 0;
  #timer: NodeJS.Timeout | undefined;
  #fields: Readonly<Record<string, unknown>> = {};

  constructor(write: (count: number, fields: Readonly<Record<string, unknown>>) => void) {
    this.#write = write;
  }

  add(fields: Readonly<Record<string, unknown>>, now: number = performance.now()): void {
    this.#unlogged++;
    this.#fields = fields;
    if (now < this.#nextAt) {
      this.#timer ??= setTimeout(this.#flushInTime, this.#nextAt - now).unref();
      return;
    }
    this.#nextAt = now + 1000;
    this.flush();
  }

  readonly #flushInTime = (): void => {
    this.#nextAt = performance.now() + 1000;
    this.flush();
  };

  /** Logs the entries that are held back. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unlogged === 0) return;
    this.#write(this.#unlogged, this.#fields);
    this.#unlogged = 0;
  }
}
