import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ConformanceCase, type ProcessOptions, runCase } from '../../src/index.ts';
import { argumentsToLoad } from '../../src/processes/loader.ts';

const module = new URL('./in-one-process.ts', import.meta.url);

/** Runs a case with child processes of the module. */
function runWith(
  processes: ProcessOptions | undefined,
  run: ConformanceCase['run'],
  deadlineMs = 30_000,
): Promise<void> {
  const one = { name: 'starts processes', behaviour: 'test', rules: [], deadlines: 100, run };
  return runCase(one, () => memoryEngine(), { processes, deadlineMs });
}

const startsOne: ConformanceCase['run'] = async (t) => void (await t.process());

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a child process', () => {
  test('cannot start without the option `processes`: the error names it', async () => {
    await expect(runWith(undefined, startsOne)).rejects.toThrow('pass describeEngine the option `processes`');
  });

  test('of a module that does not export the factory says how to export it', async () => {
    const processes = { module: new URL('./no-factory.ts', import.meta.url) };
    await expect(runWith(processes, startsOne)).rejects.toThrow(
      /no-factory\.ts does not export the factory\. Export it by this name: export const engineUnderTest/,
    );
  });

  test('of a module that does not exist names the module', async () => {
    const processes = { module: new URL('./nowhere.ts', import.meta.url) };
    await expect(runWith(processes, startsOne)).rejects.toThrow(/process 1 failed: .*nowhere\.ts/);
  });

  test('that ends by itself is reported with what it wrote', async () => {
    const execArgv = ['--import', 'data:text/javascript,console.error("no licence");process.exit(3)'];
    await expect(runWith({ module, execArgv }, startsOne)).rejects.toThrow(
      /process 1 ended with code 3 before it answered\.\nno licence/,
    );
  });

  test('ends if its case fails, also if it is frozen', async () => {
    const pids: number[] = [];
    const failing = runWith({ module }, async (t) => {
      const [running, frozen] = await Promise.all([t.process(), t.process()]);
      pids.push(running.pid, frozen.pid);
      frozen.freeze();
      throw new Error('the case fails');
    });
    await expect(failing).rejects.toThrow('the case fails');
    expect(pids.filter(isAlive)).toEqual([]);
    expect(pids).toHaveLength(2);
  });

  test('that was killed and whose channel stays open is reported after the deadline', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'conformance-channel-'));
    const file = join(folder, 'pid');
    onTestFinished(() => {
      process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
      rmSync(folder, { recursive: true });
    });
    // The process starts another process, which inherits the channel, as a program of an engine can.
    const preload = `
      import { spawn } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      const stdio = ['ignore', 'ignore', 'ignore', 3];
      writeFileSync(${JSON.stringify(file)}, String(spawn('sleep', ['600'], { stdio }).pid));`;
    const execArgv = [
      ...argumentsToLoad(module),
      '--import',
      `data:text/javascript,${encodeURIComponent(preload)}`,
    ];
    const killing = runWith({ module, execArgv }, async (t) => (await t.process()).kill(), 1000);
    await expect(killing).rejects.toThrow('1000 ms passed without: process 1 to end on SIGKILL');
  });

  test('ends if the process of the suite is killed, also if it is frozen', async () => {
    const program = fileURLToPath(new URL('./leaving.ts', import.meta.url));
    const args = [...argumentsToLoad(module), program];
    const suite = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void suite.kill('SIGKILL'));
    const [line] = (await Promise.race([
      once(suite.stdout, 'data'),
      once(suite, 'exit').then(() => expect.fail('the process ended before it had started others')),
    ])) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    onTestFinished(() => {
      for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
    });
    expect(pids.map(isAlive)).toEqual([true, true]);
    suite.kill('SIGKILL');
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  });
});

test('a TypeScript module needs a loader on a version of Node.js that does not load TypeScript', () => {
  const elsewhere = new URL('file:///nowhere/engine.ts');
  const javaScript = argumentsToLoad(new URL('file:///nowhere/engine.js'));
  let outcome: unknown;
  try {
    outcome = argumentsToLoad(elsewhere);
  } catch (error) {
    outcome = String(error);
  }
  const loadsTypeScript = Boolean(Reflect.get(process.features, 'typescript'));
  const expected = loadsTypeScript
    ? javaScript.join()
    : 'Error: A process cannot load file:///nowhere/engine.ts: ';
  expect(String(outcome).slice(0, expected.length)).toBe(expected);
});
