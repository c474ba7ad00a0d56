import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { BrokerControlError } from '../errors.ts';
import { waitFor, withDeadline } from '../wait.ts';
import { guard } from './watchdog.ts';

/** How to run a program. */
export interface ProcessSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Both outputs are appended to this file. */
  readonly logFile: string;
  /** Added to this process' environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The signal for an orderly shutdown (default SIGTERM). */
  readonly endSignal?: NodeJS.Signals;
}

/** How long the system may take to end a process after SIGKILL, in milliseconds. */
const KILL_MS = 10_000;
/** How long the system may take to stop all threads of a process after SIGSTOP, in milliseconds. */
const PAUSE_MS = 10_000;

/** True if every thread of a process is stopped. Only Linux has this information; on other systems the result is always true. */
function isStopped(pid: number): boolean {
  if (process.platform !== 'linux') return true;
  const folder = `/proc/${String(pid)}/task`;
  return readdirSync(folder).every((thread) => {
    const stat = readFileSync(`${folder}/${thread}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) === 'T';
  });
}

/**
 * A program that runs as a child of this process, in its own process group. A terminal's Ctrl-C does not reach it, so that it can shut
 * down in order, and a signal to the group also ends its children. If this process dies, the watchdog ends the program.
 */
export class LocalProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #endSignal: NodeJS.Signals;
  #ending: string | undefined;

  constructor(spec: ProcessSpec) {
    this.#endSignal = spec.endSignal ?? 'SIGTERM';
    const log = openSync(spec.logFile, 'a');
    try {
      this.#child = spawn(spec.command, spec.args, {
        cwd: spec.cwd,
        detached: true,
        stdio: ['ignore', log, log],
        env: { ...process.env, ...spec.env },
      });
    } finally {
      closeSync(log);
    }
    const { pid } = this.#child;
    const release = pid === undefined ? (): void => undefined : guard({ kind: 'process', pid });
    // The broker does not keep the test process alive. If the test process exits, the watchdog ends the broker.
    this.#child.unref();
    this.#exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#ending ??= how;
        release();
        resolve();
      };
      this.#child.once('error', (error) => {
        ended(error.message);
      });
      this.#child.once('exit', (code, signal) => {
        ended(signal === null ? `exit code ${String(code)}` : `ended by ${signal}`);
      });
    });
  }

  /** How the process ended (`exit code 1`, `ended by SIGKILL`); undefined while it runs. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /** Sends a signal to the process and its children; nothing happens if it has ended. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#ending !== undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /**
   * Stops the process with SIGSTOP and waits until all its threads have stopped: on a busy machine, some of them run on for a while.
   *
   * @throws BrokerControlError if the process ends meanwhile
   */
  async pause(): Promise<void> {
    const { pid } = this.#child;
    this.signal('SIGSTOP');
    if (pid === undefined) return;
    await waitFor('a process to be stopped', () => isStopped(pid), {
      timeoutMs: PAUSE_MS,
      intervalMs: 1,
      giveUp: () =>
        this.#ending === undefined
          ? undefined
          : new BrokerControlError(`cannot pause the process: it ended by itself (${this.#ending})`),
    });
  }

  /**
   * Ends the process gracefully, or with SIGKILL after `graceMs` milliseconds.
   *
   * @returns False if it was killed
   */
  async end(graceMs: number): Promise<boolean> {
    this.signal(this.#endSignal);
    try {
      await withDeadline('the process to end', graceMs, this.#exited);
      return true;
    } catch {
      await this.kill();
      return false;
    }
  }

  /** Ends the process with SIGKILL, which also ends a paused process, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await withDeadline('a killed process to be gone', KILL_MS, this.#exited);
  }
}
