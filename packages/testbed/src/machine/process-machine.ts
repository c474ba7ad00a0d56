import { readFile } from 'node:fs/promises';
import { BrokerControlError } from '../errors.ts';
import { LocalProcess, type ProcessSpec } from './local-process.ts';
import type { Machine } from './machine.ts';
import { releasePort } from './ports.ts';
import type { TempFolder } from './temp-folder.ts';

const LOG_LINES = 40;

/** How a broker runs as a process of this machine. */
export interface ProcessMachineOptions {
  readonly spec: ProcessSpec;
  /** The folder of the data. `dispose` removes it. */
  readonly folder: TempFolder;
  /** The ports of the broker. `dispose` releases them. */
  readonly ports: readonly number[];
  /** How long an orderly shutdown may take before the process is killed, in milliseconds. */
  readonly graceMs: number;
  /**
   * Removes the data that a power failure would have lost. Called after every end except exit code 0 in time; with this option, `end`
   * then rejects.
   */
  readonly afterKill?: () => Promise<void>;
}

/** A broker as a process of this machine. */
export class ProcessMachine implements Machine {
  readonly #options: ProcessMachineOptions;
  #process: LocalProcess | undefined;
  /** True if the process was killed and `afterKill` has run. */
  #isKilled = false;

  constructor(options: ProcessMachineOptions) {
    this.#options = options;
  }

  start(): Promise<void> {
    this.#process = new LocalProcess(this.#options.spec);
    this.#isKilled = false;
    return Promise.resolve();
  }

  async end(): Promise<void> {
    const { graceMs, afterKill } = this.#options;
    const ended = this.#process;
    if (ended === undefined || this.#isKilled) return;
    const isInTime = await ended.end(graceMs);
    if (afterKill === undefined || (isInTime && ended.ending === 'exit code 0')) return;
    await afterKill();
    this.#isKilled = true;
    const how = isInTime
      ? `ended out of order (${ended.ending ?? 'unknown'})`
      : `did not end within ${String(graceMs)} ms and was killed`;
    throw new BrokerControlError(`the broker ${how} and has lost its data`);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    await this.#options.afterKill?.();
    this.#isKilled = true;
  }

  async pause(): Promise<void> {
    await this.#process?.pause();
  }

  resume(): Promise<void> {
    this.#process?.signal('SIGCONT');
    return Promise.resolve();
  }

  async dispose(): Promise<void> {
    // Killed, because its data is removed anyway.
    await this.#process?.kill();
    await this.#options.folder.remove();
    for (const port of this.#options.ports) releasePort(port);
  }

  ending(): Promise<string | undefined> {
    return Promise.resolve(this.#process?.ending);
  }

  async log(): Promise<string> {
    const text = await readFile(this.#options.spec.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
  }
}
