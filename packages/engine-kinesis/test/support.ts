import { randomUUID } from 'node:crypto';
import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { waitFor } from '@polybus/testbed';
import { onTestFinished } from 'vitest';
import { type KinesisConfig, MemoryCheckpointStore, kinesisEngine } from '../src/index.ts';

const stores = new Map<string, MemoryCheckpointStore>();

/** The store that engines share which stand for the processes of one deployment. */
export function storesById(id: string): MemoryCheckpointStore {
  let store = stores.get(id);
  if (store === undefined) stores.set(id, (store = new MemoryCheckpointStore()));
  return store;
}

/** Waits for a condition; says what was missing when the time is over. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(what, condition, { timeoutMs: 90_000, intervalMs: 10 });
}

/** How long a test may take: longer than it waits for anything. */
export const patient = { timeout: 300_000 } as const;

/** Collects what is logged, as text. */
export class LogLines implements Logger {
  readonly lines: string[] = [];
  readonly #add = (message: string, fields?: object): void => {
    this.lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  debug = this.#add;
  info = this.#add;
  warn = this.#add;
  error = this.#add;
}

/** An engine that is stopped when its test ends. */
export function makeEngine(config: KinesisConfig, logger: Logger = new LogLines()): Engine {
  const engine = kinesisEngine(config);
  engine.attach?.({
    name: 'kinesis',
    logger,
    source: 'test',
    observer: { active: false, received: () => {}, failed: () => {}, missed: () => {} },
    publishDeadLetter: (event) => engine.publish(event),
  });
  onTestFinished(() => engine.stop({ timeoutMs: 100 }).catch(() => {}));
  return engine;
}

export async function startEngine(config: KinesisConfig, logger?: Logger): Promise<Engine> {
  const engine = makeEngine(config, logger);
  await engine.start();
  return engine;
}

/** A stream that nobody else has. */
export function newStream(): string {
  return `t-${randomUUID()}`;
}

/** The shards that an engine holds leases of, in a group. */
export async function leasesOf(engine: Engine, group: string): Promise<readonly string[]> {
  const { leases } = (await engine.health()).details as { leases: Record<string, string[]> };
  return leases[group] ?? [];
}

/** Publishes numbers until told to stop, over some keys; keeps those that the broker has accepted. */
export class Flow {
  readonly accepted: number[] = [];
  readonly refused: string[] = [];
  readonly #flowing: Promise<void>;
  #isOver = false;
  #next = 0;

  constructor(engine: Engine, topic: string) {
    this.#flowing = this.#flow(engine, topic);
  }

  async #flow(engine: Engine, topic: string): Promise<void> {
    const keys = 8;
    while (!this.#isOver) {
      const numbers = Array.from({ length: keys }, () => this.#next++);
      await Promise.all(
        numbers.map((n) =>
          engine.publish({ topic, payload: n, key: `key-${n % keys}` }).then(
            () => this.accepted.push(n),
            (error: { code?: string }) => this.refused.push(error.code ?? 'no code'),
          ),
        ),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async reaches(count: number): Promise<void> {
    const goal = this.accepted.length + count;
    await until(`${count} more events to be accepted`, () => this.accepted.length >= goal);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#flowing;
  }
}

/** What a subscription has seen, and whether each key came in order. */
export class Seen {
  readonly numbers: number[] = [];
  readonly disorder: string[] = [];
  readonly #last = new Map<string, number>();
  readonly #busy = new Set<string>();

  readonly handler = async ({ payload, key = '' }: { payload: number; key?: string | undefined }) => {
    if (this.#busy.has(key)) this.disorder.push(`${key}: ${payload} began while another was handled`);
    // Again is not out of order: at least once.
    if (payload < (this.#last.get(key) ?? -1) && !this.numbers.includes(payload)) {
      this.disorder.push(`${key}: ${payload} after ${this.#last.get(key)}`);
    }
    this.#busy.add(key);
    this.#last.set(key, payload);
    this.numbers.push(payload);
    await new Promise((resolve) => setImmediate(resolve));
    this.#busy.delete(key);
  };

  hasAll(numbers: readonly number[]): boolean {
    const seen = new Set(this.numbers);
    return numbers.every((n) => seen.has(n));
  }
}
