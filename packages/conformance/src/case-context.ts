import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EventHandler, NewEvent } from '@polybus/core';
import type { Capabilities, Engine } from '@polybus/core/engine';
import { Wakeup, eventually, turns, within } from './support/eventually.ts';
import { Gate } from './support/gate.ts';
import type {
  AttemptMemory,
  BrokerControl,
  ConformanceOptions,
  EngineUnderTest,
  FactoryContext,
  ProcessOptions,
} from './options.ts';
import { EngineProcess } from './processes/engine-process.ts';
import { History } from './processes/history.ts';
import { Recorder } from './support/recorder.ts';
import { WallClock } from './support/wall-clock.ts';
import { assertConserved, isAtRest, isOnItsWay } from './support/stats.ts';

/** The default of `deadlineMs`: how long a case waits for an expected result, in milliseconds. */
export const defaultDeadlineMs = 10_000;

/** In milliseconds. Longer than any case lets an engine stall, unless the case passes its own limit. */
const defaultStallLimitMs = 30_000;

/** How long the end of a case waits for running handlers and due retries, in milliseconds. */
const restMs = 500;

/** The default of `processes.leaseMs`, in milliseconds. Some brokers accept no shorter lease. */
const defaultLeaseMs = 6000;

/** The engines, unique names and waiting functions that a case uses. */
export class CaseContext {
  /** Unique for the case and part of each of its topics, so that a broker's log can be searched for it. */
  readonly id: string = `t-${randomUUID()}`;
  readonly deadlineMs: number;
  readonly #factory: EngineUnderTest;
  readonly #options: ConformanceOptions;
  readonly #engines: Engine[] = [];
  readonly #processes: EngineProcess[] = [];
  /** What the handlers in all child processes of the case did. */
  readonly history: History = new History();
  readonly #gates: Gate[] = [];
  readonly #wakeup = new Wakeup();
  /** Sets the time of day of this process; the end of the case restores it. Only for cases that run alone. */
  readonly clock: WallClock = new WallClock();
  #made = 0;
  #names = 0;

  constructor(factory: EngineUnderTest, options: ConformanceOptions = {}) {
    this.#factory = factory;
    this.#options = options;
    this.deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
  }

  /** A topic of this case. */
  topic(name = 'events'): string {
    return `${this.id}.${name}`;
  }

  /** A consumer group of this case. */
  group(name = 'workers'): string {
    return `${this.id}-${name}`;
  }

  /** Makes an engine with the factory. The engine is not started. */
  async engine(context: Partial<FactoryContext> = {}): Promise<Engine> {
    const engine = await this.#factory({
      stallLimitMs: defaultStallLimitMs,
      ...context,
      config: this.#options.config,
      id: this.id,
      index: this.#made++,
    });
    this.#engines.push(engine);
    return engine;
  }

  /** Makes an engine with the factory and starts it. */
  async started(context?: Partial<FactoryContext>): Promise<Engine> {
    const engine = await this.engine(context);
    await this.within(engine.start(), 'start to resolve');
    return engine;
  }

  /** With the capability `crossProcess`, another started engine on the same broker; otherwise the engine itself. */
  async elsewhere(engine: Engine): Promise<Engine> {
    return engine.capabilities.crossProcess ? this.started() : engine;
  }

  /** Starts a child process, and an engine in it with the lease of {@link ProcessOptions}. */
  async process(): Promise<EngineProcess> {
    const { module, execArgv, leaseMs = defaultLeaseMs } = this.#processOptions;
    const { id, deadlineMs } = this;
    const one = new EngineProcess({
      number: this.#processes.length + 1,
      module,
      execArgv,
      context: {
        id,
        index: this.#made++,
        stallLimitMs: defaultStallLimitMs,
        leaseMs,
        config: this.#options.config,
      },
      history: this.history,
      wakeup: this.#wakeup,
      deadlineMs,
    });
    this.#processes.push(one);
    await one.start();
    return one;
  }

  get #processOptions(): ProcessOptions {
    const { processes } = this.#options;
    assert.ok(
      processes,
      'This case runs the engine in child processes: pass describeEngine the option `processes` with the module that exports the ' +
        "factory, such as { module: new URL('./engine.ts', import.meta.url) }.",
    );
    return processes;
  }

  /** How long after the death of a member another member begins its events at the latest, in milliseconds. */
  get takeoverWithinMs(): number {
    const { takeoverWithinMs } = this.#processOptions;
    assert.ok(
      takeoverWithinMs,
      'This case kills a group member: say with the option `processes.takeoverWithinMs` how many milliseconds later another member ' +
        'begins its events at the latest.',
    );
    return takeoverWithinMs;
  }

  get attemptsCount(): AttemptMemory {
    const { attemptsCount } = this.#processOptions;
    assert.ok(
      attemptsCount,
      'This case counts attempts: say with the option `processes.attemptsCount` whether they count at the next member: "never", ' +
        '"after-stop" or "after-kill".',
    );
    return attemptsCount;
  }

  record<T = unknown>(body?: EventHandler<T>): Recorder<T> {
    return new Recorder<T>(this.#wakeup, this.deadlineMs, body);
  }

  /** Makes a gate that opens at the end of the case at the latest, so that no handler hangs afterwards. */
  gate(): Gate {
    const gate = new Gate();
    this.#gates.push(gate);
    return gate;
  }

  eventually(
    condition: () => boolean | Promise<boolean>,
    what: string | (() => string),
    deadlineMs: number = this.deadlineMs,
  ): Promise<void> {
    return eventually(condition, what, deadlineMs, this.#wakeup);
  }

  within<T>(promise: PromiseLike<T>, what: string | (() => string)): Promise<T> {
    return within(promise, what, this.deadlineMs);
  }

  /** Publishes a payload; rejects if `publish` takes longer than the deadline. */
  publish(engine: Engine, topic: string, payload: unknown, more: Partial<NewEvent> = {}): Promise<void> {
    return this.within(engine.publish({ ...more, topic, payload }), `publish on ${topic} to resolve`);
  }

  /** Publishes the numbers 0 to `count - 1`, one after the other. */
  async publishNumbers(
    engine: Engine,
    topic: string,
    count: number,
    more: (n: number) => Partial<NewEvent> = () => ({}),
  ): Promise<void> {
    for (let n = 0; n < count; n++) await this.publish(engine, topic, n, more(n));
  }

  /**
   * Waits until an event that should not arrive would have arrived: publishes another event and waits until the engine has
   * delivered it.
   */
  async quiet(engine: Engine): Promise<void> {
    const topic = this.topic(`quiet-${this.#names++}`);
    const seen = this.record();
    const subscription = await engine.subscribe(topic, seen.handler);
    await this.publish(engine, topic, 'quiet');
    await seen.ends(1);
    await subscription.cancel();
    await turns(3);
  }

  get broker(): BrokerControl {
    const { broker } = this.#options;
    assert.ok(
      broker,
      'This case controls the broker: pass describeEngine the option `broker` (restart, pause, resume). ' +
        'If you cannot restart the broker, put a TCP proxy in front of it.',
    );
    return broker;
  }

  produce(topic: string, bytes: Uint8Array): Promise<void> {
    const { produce } = this.#options;
    assert.ok(
      produce,
      'This case needs a foreign producer: pass describeEngine the option `produce`, which writes a raw record to a topic.',
    );
    return produce(topic, bytes);
  }

  /** Stops every engine of the case. Checks that no delivery is stuck and that each engine accounts for every delivery. */
  async end(): Promise<void> {
    this.clock.restore();
    for (const gate of this.#gates) gate.open();
    // A running handler or a due retry would hide a stuck delivery. If they do not end within this time, `stop` ends them.
    await eventually(
      () => this.#engines.every(isAtRest),
      'rest',
      Math.min(restMs, this.deadlineMs),
      this.#wakeup,
    ).catch(() => {});
    for (const engine of this.#engines) {
      const waiting = (): string =>
        `progress of the pending deliveries: no handler runs, and no delivery waits for another attempt or its dead letter; ` +
        JSON.stringify(engine.stats());
      await this.eventually(() => isOnItsWay(engine.stats()), waiting);
    }
    const stops = this.#engines.map((engine) => engine.stop({ timeoutMs: this.deadlineMs }));
    const results = await this.#bounded(Promise.allSettled(stops), 'stop to resolve');
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    await Promise.all(this.#processes.filter(({ isAlive }) => isAlive).map((one) => one.stop()));
    for (const engine of this.#engines) {
      assertConserved(engine.stats());
      assert.equal(engine.stats().pending, 0, 'a stopped engine has nothing pending');
    }
    await this.#options.cleanup?.({ id: this.id });
  }

  /** Ends a failed case: stops its engines and ignores their errors, because the first failure says more. */
  async abandon(): Promise<void> {
    this.clock.restore();
    for (const gate of this.#gates) gate.open();
    await Promise.allSettled(this.#processes.map((one) => one.kill()));
    const stops = this.#engines.map(async (engine) => engine.stop({ timeoutMs: 0 }));
    await this.#bounded(Promise.allSettled(stops), 'stop to resolve').catch(() => {});
    await this.#options.cleanup?.({ id: this.id });
  }

  // Longer than the timeout of `stop` itself, because the error of `stop` says more.
  #bounded<T>(promise: Promise<T>, what: string): Promise<T> {
    return within(promise, what, this.deadlineMs * 1.5);
  }

  /** Reads the capabilities from an engine that is made only for that. */
  static async capabilitiesOf(factory: EngineUnderTest, config: unknown): Promise<Capabilities> {
    const engine = await factory({
      id: `t-${randomUUID()}`,
      index: 0,
      stallLimitMs: defaultStallLimitMs,
      config,
    });
    const { capabilities } = engine;
    await engine.stop();
    return capabilities;
  }
}
