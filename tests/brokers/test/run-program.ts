import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a program ended that was asked to. */
export interface Ended {
  /** Line by line, errors too. */
  readonly printed: readonly string[];
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const patienceMs = 40_000;

/** Runs a program until it has printed so many lines, then asks it to end, as Ctrl-C does, and waits until it has. */
export async function runUntil(
  lines: number,
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<Ended> {
  // A separate process group, which gets the signal, because the command may run our program as a child.
  const child = spawn(command, args, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Warnings, such as the warning of the AWS SDK on Node.js 20, are not output of the program.
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  });
  let text = '';
  let isAsked = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (isAsked || text.split('\n').length <= lines) return;
      isAsked = true;
      end(child, 'SIGINT');
    });
  }
  const patience = setTimeout(() => end(child, 'SIGKILL'), patienceMs);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(patience);
  return { printed: text.split('\n').slice(0, -1), code, signal };
}

function end({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It may have ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
