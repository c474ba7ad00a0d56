import type { Logger, Subscription } from '@polybus/core';
import { orAborted } from '@polybus/core/engine-kit';
import { lendingWorker } from '../wait.ts';

/** `closed`: events are handled. `open`: they wait. `half-open`: one event is handled, and its outcome decides. */
export type CircuitState = 'closed' | 'open' | 'half-open';

export interface CircuitOptions {
  readonly failures: number;
  readonly resetMs: number;
  readonly probe: ((signal: AbortSignal) => unknown) | undefined;
  readonly onChange: ((state: CircuitState) => void) | undefined;
  readonly logger: Pick<Logger, 'warn'>;
}

/** What a handler was called for: an event as usual, or the event whose outcome decides whether the circuit closes. */
export type Call = 'usual' | 'trial';

/** Counts failures of a handler, and pauses its subscriptions while its dependency fails. */
export class Circuit {
  readonly #options: CircuitOptions;
  #state: CircuitState = 'closed';
  /** Failures since the last success. */
  #failures = 0;
  #isTrialRunning = false;
  /** The subscriptions whose events the handler gets. */
  readonly #subscriptions = new Set<Subscription>();
  /** Those that this circuit has paused. Others may be paused by the application. */
  readonly #paused = new Set<Subscription>();
  #changed = newSignal();

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /** Resolves when the handler may be called: at once, unless another event is tried. Rejects when the signal aborts. */
  async enter(subscription: Subscription, signal: AbortSignal): Promise<Call> {
    this.#subscriptions.add(subscription);
    if (this.#state === 'open') {
      // The event was on its way to its handler when the circuit opened, or its bus stops and handles what is queued: do not delay that.
      this.#pause(subscription);
      return 'usual';
    }
    while (this.#mustWait()) await lendingWorker(orAborted(this.#changed.promise, signal));
    if (this.#state === 'closed') return 'usual';
    this.#isTrialRunning = true;
    return 'trial';
  }

  succeeded(call: Call): void {
    if (call === 'trial') this.#close();
    else this.#failures = 0;
  }

  failed(call: Call, error: unknown): void {
    this.#failures++;
    if (call === 'trial') this.#open(error);
    else if (this.#state === 'closed' && this.#failures >= this.#options.failures) this.#open(error);
  }

  #mustWait(): boolean {
    return this.#isTrialRunning || this.#state === 'open';
  }

  #open(error: unknown): void {
    const { resetMs, logger } = this.#options;
    const fields = {
      topics: [...this.#subscriptions].map(({ topic }) => topic),
      failures: this.#failures,
      error,
    };
    if (this.#state === 'closed')
      logger.warn(
        `A handler failed too often: its circuit is open, and its events wait for ${resetMs} ms`,
        fields,
      );
    for (const subscription of this.#subscriptions) this.#pause(subscription);
    this.#change('open');
    // The process may end meanwhile, and a stopped bus must not keep it alive.
    setTimeout(() => void this.#tryAgain(), resetMs).unref();
  }

  #pause(subscription: Subscription): void {
    if (subscription.isPaused) return;
    subscription.pause();
    this.#paused.add(subscription);
  }

  async #tryAgain(): Promise<void> {
    const { probe, resetMs } = this.#options;
    if (probe === undefined) {
      this.#change('half-open');
      this.#resume();
      return;
    }
    const signal = AbortSignal.timeout(resetMs);
    try {
      await orAborted(Promise.resolve(probe(signal)), signal);
    } catch {
      setTimeout(() => void this.#tryAgain(), resetMs).unref();
      return;
    }
    this.#close();
  }

  #close(): void {
    this.#failures = 0;
    this.#change('closed');
    this.#resume();
  }

  #resume(): void {
    for (const subscription of this.#paused) subscription.resume();
    this.#paused.clear();
  }

  #change(state: CircuitState): void {
    this.#state = state;
    this.#isTrialRunning = false;
    const changed = this.#changed;
    this.#changed = newSignal();
    changed.resolve();
    try {
      this.#options.onChange?.(state);
    } catch (error) {
      this.#options.logger.warn('onChange of a circuit breaker threw', { state, error });
    }
  }
}

function newSignal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
