import { type Event, InvalidOptionError } from '@polybus/core';
import { type OptionNames, assertOptionNames, count, orAborted, timerMs } from '@polybus/core/engine-kit';
import { type PatternHandler, assertHandler } from './pattern-handler.ts';
import { lendingWorker, sleep } from './wait.ts';

/** Options of {@link rateLimit}. */
export interface RateLimitOptions<E extends Event = Event> {
  /** How many handlers may start within `perMs`. */
  readonly events: number;
  /** The period, in milliseconds. */
  readonly perMs: number;
  /**
   * Returns the name of the limit that an event belongs to, such as `({ key }) => key`. Each name has a limit of its own; events for
   * which it returns `undefined` share a limit. Default: all events share a limit.
   */
  readonly key?: ((event: E) => string | undefined) | undefined;
}

const optionNames: OptionNames<RateLimitOptions> = { events: true, perMs: true, key: true };

/**
 * Returns a handler that starts at most `events` times in any period of `perMs`, in this process. An event beyond the limit waits in the
 * running attempt, and `handlerTimeoutMs` includes this time. The wait keeps the event's key and its part of the subscription's
 * `concurrency`, and ends when `context.signal` aborts. Events start in the order in which they arrive.
 *
 * Each attempt counts as an event. Handlers that several calls of `rateLimit` return do not share a limit; the same handler in several
 * subscriptions does.
 *
 * @throws {@link InvalidOptionError}, {@link UnknownOptionError} or {@link HandlerRequiredError} if an argument is invalid.
 */
export function rateLimit<E extends Event, Result>(
  handler: PatternHandler<E, Result>,
  options: RateLimitOptions<E>,
): PatternHandler<E, Promise<Awaited<Result>>> {
  assertHandler(handler, 'rateLimit');
  assertOptionNames('rateLimit', options, optionNames);
  const { key } = options;
  if (key !== undefined && typeof key !== 'function')
    throw new InvalidOptionError('key', key, 'a function of the event, such as ({ key }) => key');
  const limits = new Limits(count('events', options.events), timerMs('perMs', options.perMs));
  return async (event, context): Promise<Awaited<Result>> => {
    const limit = limits.get(key?.(event));
    if (!limit.startAtOnce()) await lendingWorker(limit.start(context.signal));
    return await handler(event, context);
  };
}

/** Few enough that the search for unused limits takes no time that a handler would notice. */
const firstSearchAt = 1000;

class Limits {
  readonly #events: number;
  readonly #perMs: number;
  readonly #byKey = new Map<string | undefined, Limit>();
  #searchAt = firstSearchAt;

  constructor(events: number, perMs: number) {
    this.#events = events;
    this.#perMs = perMs;
  }

  get(key: string | undefined): Limit {
    let limit = this.#byKey.get(key);
    if (limit === undefined) {
      if (this.#byKey.size >= this.#searchAt) this.#removeUnused();
      this.#byKey.set(key, (limit = new Limit(this.#events, this.#perMs)));
    }
    return limit;
  }

  #removeUnused(): void {
    for (const [key, limit] of this.#byKey) if (limit.isUnused) this.#byKey.delete(key);
    this.#searchAt = Math.max(firstSearchAt, 2 * this.#byKey.size);
  }
}

class Limit {
  readonly #events: number;
  readonly #perMs: number;
  /** When the latest handlers started, by `performance.now()`: a ring, whose oldest entry is the next to be replaced. */
  readonly #starts: number[] = [];
  #next = 0;
  #waiting = 0;
  #lastWait: Promise<void> = Promise.resolve();

  constructor(events: number, perMs: number) {
    this.#events = events;
    this.#perMs = perMs;
  }

  /** True if a new limit would do the same. */
  get isUnused(): boolean {
    const newest = this.#starts.at(this.#next - 1);
    return this.#waiting === 0 && (newest === undefined || newest + this.#perMs <= performance.now());
  }

  /** Counts a start, unless it has to wait. */
  startAtOnce(): boolean {
    if (this.#waiting > 0 || this.#msLeft() > 0) return false;
    this.#count();
    return true;
  }

  /** Counts a start when it is allowed, after those that wait already. */
  async start(signal: AbortSignal): Promise<void> {
    this.#waiting++;
    const start = this.#lastWait.then(() => this.#startNext(signal));
    this.#lastWait = start.catch(() => {});
    try {
      await orAborted(start, signal);
    } finally {
      this.#waiting--;
    }
  }

  async #startNext(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // A timer can fire early.
    for (let ms = this.#msLeft(); ms > 0; ms = this.#msLeft()) await sleep(ms, signal);
    this.#count();
  }

  #msLeft(): number {
    const oldest = this.#starts[this.#next];
    return oldest === undefined ? 0 : oldest + this.#perMs - performance.now();
  }

  #count(): void {
    this.#starts[this.#next] = performance.now();
    this.#next = (this.#next + 1) % this.#events;
  }
}
