import type { StartOptions, StopOptions } from '../contract/bus.ts';
import { assertContractVersion } from '../contract/contract-version.ts';
import type { Engine, EngineHost } from '../contract/engine.ts';
import type { DeliveryStats } from '../contract/observing.ts';
import { insideHandler } from '../dispatch/current-work.ts';
import { beginStopWait, waitsForCaller } from '../dispatch/wait-graph.ts';
import { sumStats } from '../dispatch/reporting/counters.ts';
import { assertOptionsOf, assertStopOptions, resolveStopTimeout } from '../engine/options/call-options.ts';
import { SharedStart, SharedStop } from '../engine/shared-calls.ts';
import { countdown } from '../engine-kit/countdown.ts';
import { settlesWithin } from '../engine-kit/or-aborted.ts';
import { type ConfigProblem, InvalidConfigError } from '../errors/config-errors.ts';
import { problemsOf } from '../errors/config-problems.ts';
import { EngineNotFoundError, EventBusNotStartedError } from '../errors/errors.ts';
import { PolybusError } from '../errors/polybus-error.ts';
import { allOrErrors } from './all-or-errors.ts';

/** An engine of a router: it exists already, or the router creates it when it starts. */
export interface RoutedEngine {
  readonly name: string;
  readonly engine: Engine | (() => Promise<Engine>);
}

/** The engines of a router, by their names: creates, starts, drains and stops them together. */
export class RoutedEngines {
  readonly names: readonly string[];
  readonly #slots: readonly RoutedEngine[];
  readonly #engines = new Map<string, Engine>();
  readonly #host: (name: string) => EngineHost;
  readonly #onDrained: () => void;
  readonly #node: object;
  readonly #starting: SharedStart;
  readonly #stopping = new SharedStop();

  /**
   * @param node - The router, in the wait graph.
   * @param onDrained - Called by `stop` once all engines are drained, before the first is stopped.
   */
  constructor(
    node: object,
    slots: readonly RoutedEngine[],
    host: (name: string) => EngineHost,
    onDrained: () => void,
  ) {
    this.#node = node;
    this.#starting = new SharedStart(() => waitsForCaller(node));
    this.names = slots.map(({ name }) => name);
    this.#slots = slots;
    this.#host = host;
    this.#onDrained = onDrained;
    for (const { name, engine } of slots) if (typeof engine !== 'function') this.#adopt(name, engine);
  }

  #adopt(name: string, engine: Engine): void {
    assertContractVersion(name, engine);
    engine.attach?.(this.#host(name));
    this.#engines.set(name, engine);
  }

  /** The engines that exist. The first `start` creates the engines that are configured by type. */
  get existing(): ReadonlyMap<string, Engine> {
    return this.#engines;
  }

  /**
   * @param operation - For the message.
   * @throws {@link EngineNotFoundError}
   * @throws {@link EventBusNotStartedError} if the engine has not been created yet.
   */
  get(name: string, operation: string): Engine {
    const engine = this.#engines.get(name);
    if (engine !== undefined) return engine;
    if (!this.names.includes(name)) throw new EngineNotFoundError(name, [...this.names]);
    throw new EventBusNotStartedError(operation, 'new', { engine: name });
  }

  stats(): DeliveryStats {
    return sumStats([...this.#engines.values()].map((engine) => engine.stats()));
  }

  async start(options: StartOptions): Promise<void> {
    assertOptionsOf('start', options);
    await this.#starting.run(options, () => this.#start(options));
  }

  async #start(options: StartOptions): Promise<void> {
    await this.#stopping.settled;
    await loadEngines(
      this.#slots,
      (name) => this.#engines.has(name),
      (name, engine) => this.#adopt(name, engine),
    );
    const engines = [...this.#engines.values()];
    try {
      await allOrErrors(
        engines.map((engine) => engine.start(options)),
        'engines did not start',
      );
    } catch (error) {
      await Promise.allSettled(engines.map((engine) => engine.stop({ timeoutMs: 0 })));
      throw error;
    }
  }

  async drain(options: StopOptions): Promise<void> {
    const timeoutMs = assertStopOptions('drain', options);
    const timeLeft = countdown(timeoutMs);
    const engines = [...this.#engines.values()];
    let takenBefore: number;
    // The error of the first round, in which nearly every timeout happens, names the timeout that the caller gave.
    let leftMs = timeoutMs;
    do {
      takenBefore = this.#takenIn();
      await allOrErrors(
        engines.map(async (engine) => engine.drain?.({ ...options, timeoutMs: leftMs })),
        'engines were not drained',
      );
      leftMs = timeLeft();
      // A handler of the engine that finished last may have published to another that was drained already.
    } while (!Object.is(this.#takenIn(), takenBefore));
  }

  /** Counts the events that engines have accepted, including released events, which `enqueued` omits. */
  #takenIn(): number {
    const { enqueued, released } = this.stats();
    // An engine with an earlier contract may not count what it releases.
    return enqueued + (released || 0);
  }

  /**
   * Stops all engines, even if some fail.
   *
   * @throws the error of the engine that failed; an `AggregateError` if several did.
   */
  async stop(options: StopOptions): Promise<void> {
    assertOptionsOf('stop', options);
    // A stop that is under way may wait for this very handler, which would then wait for itself.
    if (this.#stopping.isUnderWay && insideHandler()) return;
    await this.#starting.endWith(this.#stopping.run(options, (shared) => this.#stop(shared)));
  }

  async #stop(options: StopOptions): Promise<void> {
    const endWait = beginStopWait(this.#node, [...this.#engines.values()]);
    try {
      await this.#stopEngines(options);
    } finally {
      endWait();
    }
  }

  async #stopEngines(options: StopOptions): Promise<void> {
    const timeLeft = countdown(resolveStopTimeout(options.timeoutMs));
    // Awaits nothing if no start is under way: an event that is published right after stop() is refused.
    const remaining =
      this.#starting.underWay === undefined ? options : await this.#afterStart(options, timeLeft);
    const undrained = await this.drain(remaining).then(
      () => undefined,
      (error: unknown) => error,
    );
    const timeoutMs = timeLeft();
    this.#onDrained();
    try {
      await allOrErrors(
        [...this.#engines.values()].map((engine) => engine.stop({ ...options, timeoutMs })),
        'engines did not stop cleanly',
      );
    } catch (error) {
      // A timeout happened while the engines were drained: that error has the whole time waited.
      throw undrained !== undefined && isTimeout(error) ? undrained : error;
    }
  }

  /**
   * Waits for a start that is under way, and makes the engines give it up when the time is over or the signal aborts.
   *
   * @returns the options with the time that is left.
   */
  async #afterStart(options: StopOptions, timeLeft: () => number): Promise<StopOptions> {
    const starting = this.#starting.underWay!;
    if (!(await settlesWithin(starting, timeLeft(), options.signal))) {
      await Promise.allSettled([...this.#engines.values()].map((engine) => engine.stop({ timeoutMs: 0 })));
      await starting.catch(() => {});
    }
    return { ...options, timeoutMs: timeLeft() };
  }
}

function isTimeout(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isTimeout);
  return PolybusError.is(error) && error.code === 'SHUTDOWN_TIMEOUT';
}

/**
 * Creates the engines that are configured by their type, one after the other.
 *
 * @throws the error of the engine that could not be created; if the configurations of several have mistakes, one
 *   {@link InvalidConfigError} that lists the problems of all.
 */
async function loadEngines(
  slots: readonly RoutedEngine[],
  isLoaded: (name: string) => boolean,
  adopt: (name: string, engine: Engine) => void,
): Promise<void> {
  const mistakes: { readonly error: unknown; readonly problems: readonly ConfigProblem[] }[] = [];
  for (const [i, { name, engine }] of slots.entries()) {
    if (typeof engine !== 'function' || isLoaded(name)) continue;
    try {
      adopt(name, await engine());
    } catch (error) {
      const problems = problemsOf(error, `engines[${i}]`);
      if (problems === undefined) throw error;
      mistakes.push({ error, problems });
    }
  }
  if (mistakes.length === 1) throw mistakes[0]!.error;
  if (mistakes.length > 1) throw new InvalidConfigError(mistakes.flatMap(({ problems }) => problems));
}
