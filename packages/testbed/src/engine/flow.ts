import type { Engine } from '@polybus/core/engine';
import { until } from './until.ts';

/** Number of events that are published at the same time. */
const BATCH = 8;

/**
 * Publishes ascending numbers to a topic until `end()`, and keeps the numbers that the broker has accepted. The key of a number is
 * `key-` and its remainder after division by the number of keys.
 */
export class Flow {
  readonly accepted: number[] = [];
  /** Error codes of publishes that were rejected. */
  readonly refused: string[] = [];
  readonly #flowing: Promise<void>;
  #isOver = false;
  #next = 0;

  constructor(engine: Engine, topic: string, keys = 8) {
    this.#flowing = this.#flow(engine, topic, keys);
  }

  async #flow(engine: Engine, topic: string, keys: number): Promise<void> {
    while (!this.#isOver) {
      const numbers = Array.from({ length: BATCH }, () => this.#next++);
      await Promise.all(
        numbers.map((n) =>
          engine.publish({ topic, payload: n, key: `key-${String(n % keys)}` }).then(
            () => this.accepted.push(n),
            (error: { code?: string }) => this.refused.push(error.code ?? 'no code'),
          ),
        ),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Waits until the broker has accepted so many more events. */
  async reaches(count: number): Promise<void> {
    const goal = this.accepted.length + count;
    await until(`${String(count)} more events to be accepted`, () => this.accepted.length >= goal);
  }

  /** Publishes no more, and resolves when every publish has settled. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#flowing;
  }
}
