import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../src/index.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

/** A Node.js program that runs concurrently with the test. */
export interface Child {
  /** The output so far, of both streams. */
  readonly output: string;
  /** Sends a signal to it and its group, as a terminal does with Ctrl-C. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Resolves with the match once its output has one. */
  sees(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray>;
}

/** Runs Node.js with `args` at the top of the repository. Variables that are `undefined` are taken from its environment. */
export function runNode(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Child {
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(signal ?? code ?? 0);
    });
  });
  return {
    get output() {
      return output;
    },
    ended,
    signal(signal) {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        process.kill(-child.pid, signal);
      }
    },
    sees: (pattern, timeoutMs) =>
      waitFor(`${String(pattern)} in the output`, () => pattern.exec(output) ?? undefined, {
        timeoutMs,
        giveUp: () => {
          const gone = child.exitCode !== null || child.signalCode !== null;
          return gone && !pattern.test(output) ? new Error(`the program ended:\n${output}`) : undefined;
        },
      }),
  };
}

/** Arguments to run a TypeScript file of this repository from its sources. */
export function typescript(file: URL, ...args: string[]): readonly string[] {
  return ['--conditions=@polybus/source', '--import', 'tsx', fileURLToPath(file), ...args];
}
