import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until } from './support.ts';

export interface ChildMember {
  readonly child: ChildProcess;
  /** What it has said so far: a JSON text a line. */
  readonly said: unknown[];
  say(line: string): void;
}

/** A member of a group in a process of its own, by the name of its program in `fixtures`; it has joined when this resolves. */
export async function spawnMember(fixture: string, ...args: readonly string[]): Promise<ChildMember> {
  const program = fileURLToPath(new URL(`fixtures/${fixture}.ts`, import.meta.url));
  const flags = ['--import', 'tsx', '--conditions=@polybus/source'];
  const child = spawn(process.execPath, [...flags, program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: unknown[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  await until('the child to have joined its group', () => said.includes('ready'));
  return { child, said, say: (line) => void child.stdin.write(`${line}\n`) };
}
