/**
 * Runs the blocks whose files are named on the command line, one after the other, each as a program of its own would run, and
 * prints what each of them printed.
 */
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

export interface BlockRun {
  readonly file: string;
  readonly printed: readonly string[];
  /** The error that it threw, with its stack. */
  readonly error: string | undefined;
  /** Timers and sockets that it left behind. */
  readonly left: readonly string[];
}

const patienceMs = 20_000;
const { log, warn, error } = console;

async function run(file: string): Promise<BlockRun> {
  const printed: string[] = [];
  const keep = (...args: unknown[]): void => void printed.push(...format(...args).split('\n'));
  console.log = console.warn = console.error = keep;
  const before = resources();
  let failure: string | undefined;
  const failed = (reason: unknown): void =>
    void (failure ??= reason instanceof Error ? reason.stack : String(reason));
  process.on('uncaughtException', failed);
  let patience: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      patience = setTimeout(() => reject(new Error(`it did not end within ${patienceMs} ms`)), patienceMs);
    });
    await Promise.race([import(pathToFileURL(file).href), late]);
  } catch (reason) {
    failed(reason);
  }
  clearTimeout(patience);
  await new Promise(setImmediate);
  process.off('uncaughtException', failed);
  Object.assign(console, { log, warn, error });
  return { file, printed, error: failure, left: resources().slice(before.length) };
}

/** What keeps the process alive, save the files and pipes of its own. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /Timeout|Socket|Server|Child|Worker/.test(name));
}

const runs: BlockRun[] = [];
for (const file of process.argv.slice(2)) runs.push(await run(file));
process.stdout.write(JSON.stringify(runs), () => process.exit());
