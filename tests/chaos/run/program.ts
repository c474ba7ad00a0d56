import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { guard } from '@polybus/testbed';
import type { Command, Settings } from '../process/settings.ts';

const main = fileURLToPath(new URL('../process/main.ts', import.meta.url));

/** A process of a schedule. It ends with this process, even if it is stopped by a signal at that time. */
export class Program {
  readonly name: string;
  readonly settings: Settings;
  /** Resolves when it works, or has ended before. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended: `exit code 0`, `SIGKILL`. */
  readonly ended: Promise<string>;
  /** True while something happens to it, and nothing else may. */
  isBusy = true;
  /** True after SIGKILL. */
  isKilled = false;
  isOver = false;
  readonly #child: ChildProcess;

  constructor(settings: Settings) {
    this.name = settings.name;
    this.settings = settings;
    const log = openSync(join(settings.folder, `${settings.name}.log`), 'a');
    this.#child = spawn(
      process.execPath,
      [
        '--import',
        import.meta.resolve('tsx'),
        '--conditions=@polybus/source',
        main,
        JSON.stringify(settings),
      ],
      { stdio: ['ignore', log, log, 'ipc'], detached: true },
    );
    closeSync(log);
    const release = guard({ kind: 'process', pid: this.#child.pid! });
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        release();
        this.isOver = true;
        resolve(signal ?? `exit code ${code}`);
      });
    });
    const ready = this.#message('ready').then(() => void (this.isBusy = false));
    this.ready = Promise.race([ready, this.ended.then(() => {})]);
  }

  send(command: Command): void {
    if (this.#child.connected) this.#child.send(command, () => {});
  }

  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGKILL') this.isKilled = true;
    this.#child.kill(signal);
  }

  /** Ends it in order; if it does not end in time, with SIGKILL. */
  async end(timeoutMs: number): Promise<'in time' | 'too late'> {
    this.isBusy = true;
    this.signal('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'too late'>((resolve) => {
      timer = setTimeout(() => resolve('too late'), timeoutMs);
    });
    const result = await Promise.race([this.ended.then(() => 'in time' as const), late]);
    clearTimeout(timer);
    if (result === 'too late') {
      this.#child.kill('SIGKILL');
      await this.ended;
    }
    return result;
  }

  /** Resolves when it has published its last event and all have settled. */
  async quiet(): Promise<void> {
    const quiet = this.#message('quiet');
    this.send({ do: 'quiet' });
    await Promise.race([quiet, this.ended]);
  }

  #message(wanted: string): Promise<void> {
    return new Promise((resolve) => {
      this.#child.on('message', (message) => {
        if (message === wanted) resolve();
      });
    });
  }
}
