import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EventHandler, NewEvent } from '@polybus/core';
import type { Capabilities, Engine } from '@polybus/core/engine';
import { Wakeup, eventually, turns, within } from './support/eventually.ts';
import { Gate } from './support/gate.ts';
import type { BrokerControl, ConformanceOptions, EngineUnderTest, FactoryContext } from './options.ts';
import { Recorder } from './support/recorder.ts';
import { WallClock } from './support/wall-clock.ts';
import { assertConserved, isAtRest, isOnItsWay } from './support/stats.ts';

/** How long to wait for what has to happen, where the options do not say. */
export const defaultDeadlineMs = 10_000;

/** Longer than any case lets something stand still, unless it says otherwise. */
const defaultStallLimitMs = 30_000;

/** How long handlers that still run when a case ends, and attempts that are due, are waited for, in milliseconds. */
const restMs = 500;

/** What a case works with: engines, names of its own, and ways to wait. */
export class CaseContext {
  /** In the name of every topic of the case, so that a broker's log can be searched for it. */
  readonly id: string = `t-${randomUUID()}`;
  readonly deadlineMs: number;
  readonly #factory: EngineUnderTest;
  readonly #options: ConformanceOptions;
  readonly #engines: Engine[] = [];
  readonly #gates: Gate[] = [];
  readonly #wakeup = new Wakeup();
  /** The time of day in this process; right again when the case ends. Only for cases that run alone. */
  readonly clock: WallClock = new WallClock();
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

  /** An engine that has not been started. */
  async engine(context: Partial<FactoryContext> = {}): Promise<Engine> {
    const engine = await this.#factory({
      stallLimitMs: defaultStallLimitMs,
      ...context,
      id: this.id,
      index: this.#engines.length,
    });
    this.#engines.push(engine);
    return engine;
  }

  /** An engine that has been started. */
  async started(context?: Partial<FactoryContext>): Promise<Engine> {
    const engine = await this.engine(context);
    await this.within(engine.start(), 'start to resolve');
    return engine;
  }

  /** An engine of another process on the same broker, where the engine has such; else the engine itself. */
  async elsewhere(engine: Engine): Promise<Engine> {
    return engine.capabilities.crossProcess ? this.started() : engine;
  }

  record<T = unknown>(body?: EventHandler<T>): Recorder<T> {
    return new Recorder<T>(this.#wakeup, this.deadlineMs, body);
  }

  /** A gate that opens at the latest when the case ends, so that no handler hangs after it. */
  gate(): Gate {
    const gate = new Gate();
    this.#gates.push(gate);
    return gate;
  }

  eventually(condition: () => boolean | Promise<boolean>, what: string | (() => string)): Promise<void> {
    return eventually(condition, what, this.deadlineMs, this.#wakeup);
  }

  within<T>(promise: PromiseLike<T>, what: string | (() => string)): Promise<T> {
    return within(promise, what, this.deadlineMs);
  }

  /** Publishes a payload, and fails where that takes too long. */
  publish(engine: Engine, topic: string, payload: unknown, more: Partial<NewEvent> = {}): Promise<void> {
    return this.within(engine.publish({ ...more, topic, payload }), `publish on ${topic} to resolve`);
  }

  /** Publishes the numbers from 0 on, one after the other. */
  async publishNumbers(
    engine: Engine,
    topic: string,
    count: number,
    more: (n: number) => Partial<NewEvent> = () => ({}),
  ): Promise<void> {
    for (let n = 0; n < count; n++) await this.publish(engine, topic, n, more(n));
  }

  /**
   * Waits until what the engine should not deliver would have been delivered: an event makes the way through the broker
   * meanwhile.
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
      'this case needs control over the broker: give describeEngine the option `broker` (restart, pause, resume). ' +
        'A TCP proxy in front of a broker that you cannot restart will do.',
    );
    return broker;
  }

  produce(topic: string, bytes: Uint8Array): Promise<void> {
    const { produce } = this.#options;
    assert.ok(
      produce,
      'this case needs a foreign producer: give describeEngine the option `produce`, which writes a raw record to a topic.',
    );
    return produce(topic, bytes);
  }

  /** Stops every engine of the case, and checks that nothing waits in vain and that each accounts for all its deliveries. */
  async end(): Promise<void> {
    this.clock.restore();
    for (const gate of this.#gates) gate.open();
    // One that runs, or waits for another attempt, would hide what waits for nothing. Those that stay as they are end with `stop`.
    await eventually(
      () => this.#engines.every(isAtRest),
      'rest',
      Math.min(restMs, this.deadlineMs),
      this.#wakeup,
    ).catch(() => {});
    for (const engine of this.#engines) {
      const waiting = (): string =>
        `what is pending to be on its way: no handler runs, and nothing waits for another attempt or its dead letter; ` +
        JSON.stringify(engine.stats());
      await this.eventually(() => isOnItsWay(engine.stats()), waiting);
    }
    const stops = this.#engines.map((engine) => engine.stop({ timeoutMs: this.deadlineMs }));
    const results = await this.#bounded(Promise.allSettled(stops), 'stop to resolve');
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    for (const engine of this.#engines) {
      assertConserved(engine.stats());
      assert.equal(engine.stats().pending, 0, 'a stopped engine has nothing pending');
    }
    await this.#options.cleanup?.({ id: this.id });
  }

  /** The end of a case that failed: lets everything go, and reports nothing, since the failure says more. */
  async abandon(): Promise<void> {
    this.clock.restore();
    for (const gate of this.#gates) gate.open();
    const stops = this.#engines.map(async (engine) => engine.stop({ timeoutMs: 0 }));
    await this.#bounded(Promise.allSettled(stops), 'stop to resolve').catch(() => {});
    await this.#options.cleanup?.({ id: this.id });
  }

  // Longer than `stop` was given itself: its own error says more.
  #bounded<T>(promise: Promise<T>, what: string): Promise<T> {
    return within(promise, what, this.deadlineMs * 1.5);
  }

  /** What the engine under test can do, asked of an engine that is thrown away. */
  static async capabilitiesOf(factory: EngineUnderTest): Promise<Capabilities> {
    const engine = await factory({ id: `t-${randomUUID()}`, index: 0, stallLimitMs: defaultStallLimitMs });
    const { capabilities } = engine;
    await engine.stop();
    return capabilities;
  }
}
