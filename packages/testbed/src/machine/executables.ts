import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { guard } from './watchdog.ts';

/** The full path of a program on the PATH; undefined if it is not there. */
export async function findExecutable(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** How to run a program until it exits. */
export interface RunOptions {
  /** The program is killed after this many milliseconds. */
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The program continues if this process dies, because it must not end halfway. Default false. */
  readonly outlives?: boolean;
}

/**
 * Runs a program until it exits, and returns its two outputs. If this process dies, the program ends too.
 *
 * @throws Error with the command and the end of its outputs, if it fails or takes too long
 */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { timeoutMs, cwd, env, outlives = false } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      // In its own process group, so that its children end with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { pid } = child;
    const release = outlives || pid === undefined ? (): void => undefined : guard({ kind: 'process', pid });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    }, timeoutMs);
    const end = (failure: string | undefined, cause?: Error): void => {
      clearTimeout(timer);
      release();
      const said = output.trim();
      if (failure === undefined) resolve(said);
      else reject(new Error(`${[command, ...args].join(' ')} ${failure}\n${said.slice(-4_000)}`, { cause }));
    };
    child.once('error', (error) => {
      end(`failed: ${error.message}`, error);
    });
    child.once('close', (code, signal) => {
      if (isLate) end(`took more than ${String(timeoutMs)} ms`);
      else if (code === 0) end(undefined);
      else end(`failed: ${signal === null ? `exit code ${String(code)}` : `ended by ${signal}`}`);
    });
  });
}
