import assert from 'node:assert/strict';
import type { Engine } from '@polybus/core/engine';
import type { CaseContext } from '../../case-context.ts';
import { listed } from '../../support/arrivals.ts';

/** How long {@link Flow.publishUntil} waits before it publishes again, in milliseconds. */
const untilNextMs = 50;

export interface FlowOptions {
  readonly topics?: readonly string[];
  readonly keys?: number;
}

/** Publishes numbered events on some keys, and compares them with what the handlers in all processes did. */
export class Flow {
  /** The events that the broker has accepted. */
  readonly #accepted: { readonly payload: number; readonly key: string }[] = [];
  readonly #t: CaseContext;
  readonly #engine: Engine;
  readonly #topics: readonly string[];
  readonly #keys: number;
  #next = 0;

  constructor(t: CaseContext, engine: Engine, { topics = [t.topic()], keys = 8 }: FlowOptions = {}) {
    this.#t = t;
    this.#engine = engine;
    this.#topics = topics;
    this.#keys = keys;
  }

  /** Publishes this many events at once on each topic. Consecutive events have different keys. */
  async publish(count: number = this.#keys): Promise<void> {
    const events: { topic: string; payload: number; key: string }[] = [];
    for (let n = 0; n < count; n++)
      for (const topic of this.#topics)
        events.push({ topic, payload: this.#next++, key: `key-${n % this.#keys}` });
    await this.#t.within(
      Promise.all(events.map((event) => this.#engine.publish(event))),
      `the publishes of ${events.length} events to resolve`,
    );
    this.#accepted.push(...events);
  }

  /** Publishes an event on each key again and again, until the condition holds. */
  async publishUntil(condition: () => boolean, what: string): Promise<void> {
    const end = performance.now() + this.#t.deadlineMs;
    while (!condition()) {
      assert.ok(performance.now() < end, `${this.#t.deadlineMs} ms passed without: ${what}`);
      await this.publish();
      await this.#t.eventually(condition, what, untilNextMs).catch(() => {});
    }
  }

  /** The accepted events of which no handler has ended, except those of a key. */
  missing(exceptKey?: string): number[] {
    const expected = this.#accepted.filter(({ key }) => key !== exceptKey);
    return this.#t.history.missing(expected.map(({ payload }) => payload));
  }

  /** Waits until a handler has ended for every event. */
  async arrives(within?: number): Promise<void> {
    await this.#t.eventually(
      () => this.missing().length === 0,
      () =>
        `every published event to be handled; ${this.missing().length} of ${this.#accepted.length} were not: ${listed(this.missing())}`,
      within,
    );
  }

  /**
   * Waits until everything is handled, and until two further events of every key are: an event that comes again, comes before them.
   * Then asserts that the history keeps the contract.
   */
  async isHandledOnce(): Promise<void> {
    await this.arrives();
    for (let round = 0; round < 2; round++) {
      await this.publish();
      await this.arrives();
    }
    const violations = this.#t.history.violations();
    assert.equal(
      violations.length,
      0,
      `expected each event once and in order per key, but ${listed(violations, '\n')}`,
    );
  }
}
