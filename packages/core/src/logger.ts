import type { Logger } from './contract.ts';

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

/** The logger, except that it never throws: neither a broken logger nor an error that cannot be shown may end a delivery. */
export function safeLogger(logger: Logger): Logger {
  const safe = (level: keyof Logger): Logger['warn'] => {
    return (message, fields) => {
      try {
        logger[level]?.(message, fields);
      } catch {
        // There is nowhere left to say so.
      }
    };
  };
  return {
    // Absent where the logger has none, so that nothing is put together for it.
    ...(logger.debug === undefined ? {} : { debug: safe('debug') }),
    ...(logger.info === undefined ? {} : { info: safe('info') }),
    warn: safe('warn'),
    error: safe('error'),
  };
}
