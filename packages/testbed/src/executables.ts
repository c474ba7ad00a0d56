import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** The full path of a program that is on the PATH; undefined if none is. */
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

/** How to run a program to its end. */
export interface RunOptions {
  /** Ended with SIGKILL after this many milliseconds. */
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program to its end and returns both its outputs.
 *
 * @throws Error with the command and the end of its outputs, when it fails or takes too long
 */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { timeoutMs, cwd, env } = options;
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      {
        cwd,
        env: { ...process.env, ...env },
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, stdout, stderr) => {
        const output = `${stdout}${stderr}`.trim();
        if (error === null) resolve(output);
        else {
          const how =
            error.killed === true ? `took more than ${String(timeoutMs)} ms` : `failed: ${error.message}`;
          reject(
            new Error(`${[command, ...args].join(' ')} ${how}\n${output.slice(-4_000)}`, { cause: error }),
          );
        }
      },
    );
  });
}
