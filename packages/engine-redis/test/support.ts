import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { waitFor } from '@polybus/testbed';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { type RedisConfig, redisEngine } from '../src/index.ts';

/** Waits for a condition; says what was missing when the time is over. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(what, condition, { timeoutMs: 60_000, intervalMs: 5 });
}

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
export function makeEngine(config: RedisConfig, logger: Logger = new LogLines()): Engine {
  const engine = redisEngine(config);
  engine.attach?.({
    name: 'redis',
    logger,
    source: 'test',
    observer: { active: false, received: () => {}, failed: () => {}, missed: () => {} },
    publishDeadLetter: (event) => engine.publish(event),
  });
  onTestFinished(() => engine.stop({ timeoutMs: 100 }).catch(() => {}));
  return engine;
}

export async function startEngine(config: RedisConfig, logger?: Logger): Promise<Engine> {
  const engine = makeEngine(config, logger);
  await engine.start();
  return engine;
}

/** A client that the tests look into the server with. */
export function adminOf(url: string): Redis {
  const admin = new Redis(url, { connectionName: 'admin', maxRetriesPerRequest: 3 });
  admin.on('error', () => {});
  onTestFinished(() => admin.disconnect());
  return admin;
}

/** A prefix that nobody else has. */
export function newPrefix(): string {
  return `t-${randomUUID()}:`;
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
          engine.publish({ topic, payload: n, key: `key-${n % 3}` }).then(
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

/** A fixture in a process of its own, and what it has said so far, a value in each line. */
export async function spawnFixture(
  name: string,
  ...args: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly said: readonly unknown[] }> {
  const fixture = fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));
  const options = ['--import', 'tsx', '--conditions=@polybus/source', fixture, ...args];
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: unknown[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  await until('the child to be ready', () => said.includes('ready'));
  return { child, said };
}
