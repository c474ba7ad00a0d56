import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { waitFor } from '@polybus/testbed';
import kafkajs from 'kafkajs';
import type * as Kafkajs from 'kafkajs';
import type { Admin, Kafka } from 'kafkajs';
import { onTestFinished } from 'vitest';
import { type KafkaConfig, kafkaEngine } from '../src/index.ts';

/** Times for a broker on this machine, where nobody should wait. */
export const quick = {
  heartbeatIntervalMs: 50,
  sessionTimeoutMs: 6000,
  metadataRefreshMs: 100,
  fetchMaxWaitMs: 50,
  commitIntervalMs: 200,
  publishTimeoutMs: 15_000,
} satisfies KafkaConfig;

/** Waits for a condition; says what was missing when the time is over. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(what, condition, { timeoutMs: 60_000, intervalMs: 10 });
}

/** Collects what is logged, as text. */
export class LogLines implements Logger {
  readonly lines: string[] = [];
  readonly #add = (message: string, fields?: object): void => {
    this.lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  /** Of these, the warnings. */
  readonly warnings: string[] = [];
  debug = this.#add;
  info = this.#add;
  warn = (message: string, fields?: object): void => {
    this.#add(message, fields);
    this.warnings.push(this.lines.at(-1)!);
  };
  error = this.#add;
}

/** An engine that is stopped when its test ends. */
export function makeEngine(config: KafkaConfig, logger: Logger = new LogLines()): Engine {
  const engine = kafkaEngine({ ...quick, ...config });
  engine.attach?.({
    name: 'kafka',
    logger,
    source: 'test',
    observer: engineObserver,
    publishDeadLetter: (event) => engine.publish(event),
  });
  onTestFinished(() => engine.stop({ timeoutMs: 100 }).catch(() => {}));
  return engine;
}

const engineObserver = new Proxy({}, { get: (_, name) => (name === 'active' ? false : () => {}) }) as never;

export async function startEngine(config: KafkaConfig, logger?: Logger): Promise<Engine> {
  const engine = makeEngine(config, logger);
  await engine.start();
  return engine;
}

/** kafkajs by itself, as others use it. */
export function plainKafka(brokers: readonly string[]): Kafka {
  return new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
}

/** A copy of kafkajs that only the test has, as of a program whose kafkajs is not that of the engine. */
export function anotherKafkajs(): typeof Kafkajs {
  const require = createRequire(import.meta.url);
  // A folder of its own: it loads much of itself only once it needs it.
  const folder = mkdtempSync(join(tmpdir(), 'polybus-kafkajs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dirname(require.resolve('kafkajs/package.json')), folder, { recursive: true });
  return require(folder) as typeof Kafkajs;
}

/** A client that the tests look into the cluster with. */
export async function adminOf(brokers: readonly string[]): Promise<Admin> {
  const admin = plainKafka(brokers).admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  return admin;
}

/** A name that nobody else has. */
export function newName(what = 't'): string {
  return `${what}-${randomUUID()}`;
}

/** Publishes numbers until told to stop; keeps those that the broker has accepted. */
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
    while (!this.#isOver) {
      const numbers = Array.from({ length: 5 }, () => this.#next++);
      await Promise.all(
        numbers.map((n) =>
          engine.publish({ topic, payload: n, key: `key-${n % 7}` }).then(
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
