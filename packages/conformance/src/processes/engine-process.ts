import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import type { DeliveryStats, NewEvent, PublishOptions, SubscribeOptions } from '@polybus/core';
import { type Wakeup, within } from '../support/eventually.ts';
import { assertConserved } from '../support/stats.ts';
import type { Handling, History } from './history.ts';
import { argumentsToLoad } from './loader.ts';
import type { Behaviour, ChildContext, Command, CommandMessage, Report } from './messages.ts';

const program = new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url);

/** How long a process may take to load the module and to start the engine, in milliseconds, if the deadline is not longer. */
const startMs = 30_000;

/** How many characters of the output of a process an error contains. */
const maxOutput = 4000;

const alive = new Set<ChildProcess>();
const endAll = (): void => {
  for (const child of alive) child.kill('SIGKILL');
};

export interface ProcessSettings {
  /** Its number in the case, from 1. */
  readonly number: number;
  readonly module: URL;
  readonly execArgv?: readonly string[] | undefined;
  readonly context: ChildContext;
  readonly history: History;
  readonly wakeup: Wakeup;
  readonly deadlineMs: number;
}

/** A child process that runs an engine of the suite, and whose handlers report to a history. */
export class EngineProcess {
  readonly number: number;
  readonly #child: ChildProcess;
  readonly #settings: ProcessSettings;
  readonly #exited: Promise<unknown>;
  readonly #answers = new Map<number, { resolve: () => void; reject: (reason: Error) => void }>();
  readonly #handlings = new Map<number, Handling>();
  #commands = 0;
  #output = '';
  #stats: DeliveryStats | undefined;
  #stopError: string | undefined;
  #thaw: (() => void) | undefined;

  constructor(settings: ProcessSettings) {
    const { number, module, execArgv = argumentsToLoad(module, program) } = settings;
    this.#settings = settings;
    this.number = number;
    this.#child = fork(program, {
      execArgv: [...execArgv],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    if (alive.size === 0) process.on('exit', endAll);
    alive.add(this.#child);
    // The last reports can arrive after the process has exited.
    const happens = (event: string): Promise<void> =>
      new Promise((resolve) => this.#child.once(event, resolve));
    this.#exited = Promise.all([happens('exit'), happens('disconnect')]).then(() => this.#ended());
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-maxOutput);
      });
    }
    this.#child.on('message', (report) => this.#onReport(report as Report));
    // A command to a process that was killed fails, and the case has its own assertion for that.
    this.#child.on('error', () => {});
  }

  /** Makes the engine in the process, and starts it. */
  start(): Promise<void> {
    const { module, context } = this.#settings;
    return this.#send({ do: 'start', module: module.href, context }, startMs);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isAlive(): boolean {
    return alive.has(this.#child);
  }

  /** The attempts that its handlers have begun. */
  get begun(): Handling[] {
    return this.#settings.history.of(this.number);
  }

  /** The attempts that its handlers have begun and not ended. */
  get running(): Handling[] {
    return this.begun.filter(({ endedAt }) => endedAt === undefined);
  }

  subscribe(topic: string, options: SubscribeOptions): Promise<void> {
    return this.#send({ do: 'subscribe', topic, isAsync: false, options });
  }

  subscribeAsync(topic: string, options: SubscribeOptions): Promise<void> {
    return this.#send({ do: 'subscribe', topic, isAsync: true, options });
  }

  /** Resolves when every publish has resolved. */
  publish(events: readonly NewEvent[]): Promise<void> {
    return this.#send({ do: 'publish', events });
  }

  /** The process publishes, and kills itself in the turn in which the last publish resolves. */
  async publishAndDie(
    events: readonly NewEvent[],
    options: Pick<PublishOptions, 'delayMs'> = {},
  ): Promise<void> {
    const refused = this.#send({ do: 'publish and die', events, options }).catch((error: unknown) => {
      if (this.isAlive) throw error;
    });
    await Promise.race([refused, this.#exited]);
    assert.equal(
      this.#child.signalCode,
      'SIGKILL',
      `${this.#name} ended before it had published\n${this.#output}`,
    );
  }

  /** Sets how running and later handlers behave. */
  setHandlers(behaviour: Behaviour): Promise<void> {
    return this.#send({ do: 'set handlers', behaviour });
  }

  /** Resolves after a turn of the event loop of the process. */
  answer(): Promise<void> {
    return this.#send({ do: 'answer' });
  }

  /** Ends the process with SIGKILL, in whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ends('to end on SIGKILL');
    this.#settings.history.interrupt(this.number);
    this.#thaw?.();
  }

  /** Suspends the process with SIGSTOP. The broker is not notified, and the connections stay open. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
    this.#settings.history.interrupt(this.number);
    // A suspended process does not notice that this process has ended. The shell does, and continues it.
    const guard = spawn('sh', ['-c', `read -r _; kill -CONT ${this.#child.pid}`], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#thaw = () => guard.stdin.destroy();
  }

  /** Continues a frozen process, with SIGCONT. */
  thaw(): void {
    this.#child.kill('SIGCONT');
    this.#thaw?.();
  }

  /** Ends the process with SIGTERM, on which it stops its engine, as a deployment does. Its counts must add up. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ends('to stop its engine on SIGTERM');
    assert.equal(this.#stopError, undefined, `stop() of ${this.#name} rejected: ${this.#stopError}`);
    assert.ok(this.#stats, `${this.#name} ended without stopping its engine\n${this.#output}`);
    assertConserved(this.#stats);
    assert.equal(this.#stats.pending, 0, `the stopped engine of ${this.#name} has events pending`);
  }

  get #name(): string {
    return `process ${this.number}`;
  }

  /** Waits until the process has ended and its last report has arrived. */
  async #ends(how: string): Promise<void> {
    const what = (): string => `${this.#name} ${how}\n${this.#output}`;
    await within(this.#exited, what, this.#settings.deadlineMs);
  }

  async #send(command: Command, atLeastMs = 0): Promise<void> {
    const number = this.#commands++;
    const answered = new Promise<void>((resolve, reject) => {
      this.#answers.set(number, { resolve, reject });
      const message: CommandMessage = { number, command };
      this.#child.send(message, (error) => error !== null && reject(error));
    });
    const what = (): string => `${this.#name} to ${command.do}\n${this.#output}`;
    await within(answered, what, Math.max(atLeastMs, this.#settings.deadlineMs));
  }

  #onReport(report: Report): void {
    switch (report.says) {
      case 'answer':
        this.#answered(report.number, report.error);
        break;
      case 'begin': {
        const { topic, key, payload, attempt, at } = report;
        const handling = { process: this.number, topic, key, payload, attempt, begunAt: at };
        this.#handlings.set(report.handling, handling);
        this.#settings.history.handlings.push(handling);
        break;
      }
      case 'end':
        Object.assign(this.#handlings.get(report.handling)!, { endedAt: report.at, failed: report.failed });
        break;
      case 'stopped':
        this.#stats = report.stats;
        break;
      case 'not stopped':
        this.#stopError = report.error;
    }
    this.#settings.wakeup.wake();
  }

  #answered(number: number, error: string | undefined): void {
    const answer = this.#answers.get(number);
    this.#answers.delete(number);
    if (error === undefined) answer?.resolve();
    else answer?.reject(new Error(`${this.#name} failed: ${error}`));
  }

  #ended(): void {
    alive.delete(this.#child);
    if (alive.size === 0) process.off('exit', endAll);
    const { exitCode, signalCode } = this.#child;
    const error = new Error(
      `${this.#name} ended with ${signalCode ?? `code ${exitCode}`} before it answered.\n${this.#output}`,
    );
    for (const { reject } of this.#answers.values()) reject(error);
    this.#settings.wakeup.wake();
  }
}
