import type { StartOptions, StopOptions } from '../contract/bus.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import { orAborted } from '../engine-kit/or-aborted.ts';
import { EventBusNotStartedError } from '../errors/errors.ts';
import { assertSignal, resolveStopTimeout } from './options/call-options.ts';

/** The `start` that is under way. A later call waits for it, and its signal ends only its own wait. */
export class SharedStart {
  readonly #isHeldByCaller: () => boolean;
  #starting: Promise<void> | undefined;
  #end: Promise<void> | undefined;

  /** @param isHeldByCaller - Whether a `stop` is under way that waits for the handler which calls `start`. */
  constructor(isHeldByCaller: () => boolean) {
    this.#isHeldByCaller = isHeldByCaller;
  }

  /** Undefined if no `start` is under way. */
  get underWay(): Promise<void> | undefined {
    return this.#starting;
  }

  /** Passes on a `stop`. If it ends a `start` that is under way, later calls of `start` begin another one after it. */
  endWith(stop: Promise<void>): Promise<void> {
    if (this.#starting !== undefined) {
      const ended = (): void => {
        if (this.#end === end) this.#end = undefined;
      };
      const end = stop.then(ended, ended);
      this.#end = end;
    }
    return stop;
  }

  /**
   * Joins the `start` that is under way, or calls the function.
   *
   * @throws {@link EventBusNotStartedError} if it would wait for a `stop` that waits for the caller.
   */
  async run({ signal }: StartOptions, start: () => Promise<void>): Promise<void> {
    if (this.#isHeldByCaller()) throw new EventBusNotStartedError('start', 'stopping');
    while (this.#end !== undefined) {
      assertSignal(signal);
      await orAborted(this.#end, signal);
    }
    if (this.#starting !== undefined) {
      assertSignal(signal);
      await orAborted(this.#starting, signal);
      return;
    }
    await (this.#starting = start().finally(() => (this.#starting = undefined)));
  }
}

/** The `stop` that is under way. A later call waits for it, and can end its wait for handlers earlier, but not later. */
export class SharedStop {
  #stopping: Promise<void> | undefined;
  #ending = new AbortController();

  /** Resolves once no `stop` is under way, however it ends. */
  get settled(): Promise<void> {
    return this.#stopping?.catch(() => {}) ?? Promise.resolve();
  }

  get isUnderWay(): boolean {
    return this.#stopping !== undefined;
  }

  /** Joins the `stop` that is under way, or calls the function, synchronously, with a signal that also aborts for later calls. */
  async run(options: StopOptions, stop: (options: StopOptions) => Promise<void>): Promise<void> {
    const { signal, timeoutMs } = options;
    const limitMs = resolveStopTimeout(timeoutMs);
    assertSignal(signal);
    const isFirst = this.#stopping === undefined;
    if (isFirst) this.#ending = new AbortController();
    const ending = this.#ending;
    const end = (): void => ending.abort();
    const unlink = onAbort(signal, end);
    // The first call has a timer of its own, and a later call without a limit only waits.
    const timer = isFirst || timeoutMs === undefined ? undefined : setTimeout(end, limitMs);
    try {
      await (this.#stopping ??= stop({ ...options, signal: ending.signal }).finally(
        () => (this.#stopping = undefined),
      ));
    } finally {
      clearTimeout(timer);
      unlink();
    }
  }
}
