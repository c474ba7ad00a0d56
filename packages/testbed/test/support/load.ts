import { delay } from '../../src/wait.ts';

const RETRY_MS = 50;

/** A writer that continues to write numbered values, whatever happens to the broker. */
export interface Load {
  /** Values that the broker has confirmed, in order. */
  readonly confirmed: readonly string[];
  /** Attempts that failed. */
  readonly failures: number;
  /** Ends the load once the write under way is confirmed. */
  stop(): Promise<void>;
}

/** Writes `v0`, `v1`, … in sequence. Repeats a failed write until it is confirmed. */
export function startLoad(write: (value: string) => Promise<unknown>): Load {
  const confirmed: string[] = [];
  let failures = 0;
  const ending = new AbortController();
  const loop = async (): Promise<void> => {
    for (let count = 0; !ending.signal.aborted;) {
      try {
        await write(`v${String(count)}`);
        confirmed.push(`v${String(count)}`);
        count += 1;
      } catch {
        failures += 1;
        await delay(RETRY_MS);
      }
    }
  };
  const done = loop();
  return {
    confirmed,
    get failures() {
      return failures;
    },
    async stop() {
      ending.abort();
      await done;
    },
  };
}
