import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until } from './until.ts';

/** A program of a test in a process of its own. */
export interface Fixture {
  readonly child: ChildProcess;
  /** What the program has written to its standard output so far: a JSON value per line. */
  readonly said: readonly unknown[];
  /** Writes a line to the program's standard input. */
  say(line: string): void;
}

/**
 * Runs a TypeScript program from its sources, with the arguments. Resolves when the program has written `"ready"`. Kills the process
 * when the test ends.
 */
export async function spawnFixture(program: URL, ...args: readonly string[]): Promise<Fixture> {
  const flags = ['--import', 'tsx', '--conditions=@polybus/source', fileURLToPath(program), ...args];
  const child = spawn(process.execPath, flags, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: unknown[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  await until(`${program.pathname} to be ready`, () => said.includes('ready'));
  return { child, said, say: (line) => void child.stdin.write(`${line}\n`) };
}
