import { machineNow } from './messages.ts';

/** One call of a handler in one of the processes of a case. Times are in milliseconds on the monotonic clock of the machine. */
export interface Handling {
  readonly process: number;
  readonly topic: string;
  readonly key: string | undefined;
  readonly payload: number;
  readonly attempt: number;
  readonly begunAt: number;
  endedAt?: number | undefined;
  failed?: boolean | undefined;
}

/** Which events the handlers of all processes of a case began and ended, and whether that keeps the contract. */
export class History {
  readonly handlings: Handling[] = [];
  /** When a process was killed or frozen, by the number of the process. */
  readonly #interruptions = new Map<number, number>();

  /** The process has just been killed or frozen: its running handlers run no longer, and what it handled last can come again. */
  interrupt(process: number): void {
    this.#interruptions.set(process, machineNow());
  }

  of(process: number): Handling[] {
    return this.handlings.filter((one) => one.process === process);
  }

  /** The events of which no handler has ended without an error. */
  missing(payloads: readonly number[]): number[] {
    const handled = new Set(
      this.handlings.filter(({ failed }) => failed === false).map(({ payload }) => payload),
    );
    return payloads.filter((payload) => !handled.has(payload));
  }

  /**
   * What breaks the contract: an event that begins while another event of its key is handled, or after a later event of its key, and
   * an event that begins again although the process that handled it was neither killed nor frozen.
   */
  violations(): string[] {
    const byKey = new Map<string, Handling[]>();
    const found: string[] = [];
    for (const one of this.handlings.toSorted((a, b) => a.begunAt - b.begunAt)) {
      const key = JSON.stringify([one.topic, one.key]);
      const earlier = byKey.get(key) ?? [];
      const isFirst = !earlier.some(({ payload }) => payload === one.payload);
      for (const other of earlier) found.push(...this.#conflict(one, other, isFirst));
      earlier.push(one);
      byKey.set(key, earlier);
    }
    return found;
  }

  #conflict(one: Handling, other: Handling, isFirst: boolean): string[] {
    const begun = `process ${one.process} began ${nameOf(one)}`;
    const interruptedAt = this.#interruptions.get(other.process) ?? Infinity;
    const wasInterrupted = interruptedAt < Infinity && other.begunAt < interruptedAt;
    const endedAt = Math.min(other.endedAt ?? Infinity, wasInterrupted ? interruptedAt : Infinity);
    if (endedAt > one.begunAt)
      return [`${begun} while process ${other.process} still handled ${nameOf(other)}`];
    if (one.payload === other.payload && !wasInterrupted && other.failed !== true)
      return [`${begun}, which process ${other.process} had handled to the end`];
    if (isFirst && one.payload < other.payload)
      return [`${begun} after process ${other.process} had begun the later ${nameOf(other)}`];
    return [];
  }
}

/** The topic without the id of the case, which begins it. */
function nameOf({ topic, key, payload }: Handling): string {
  const of = key === undefined ? '' : ` of the key "${key}"`;
  return `event ${payload}${of} on "${topic.slice(topic.indexOf('.') + 1)}"`;
}
