import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../src/machine/executables.ts';
import { waitFor } from '../src/wait.ts';
import { runNode, typescript } from './support/child.ts';

test('the error for a program that fails, takes too long or does not exist contains its output', async () => {
  const node = (script: string, timeoutMs = 60_000): Promise<string> =>
    run(process.execPath, ['-e', script], { timeoutMs });
  expect(await node('console.log("fine")')).toBe('fine');
  await expect(node('console.error("no way"); process.exit(3)')).rejects.toThrow(
    /failed: exit code 3\nno way$/,
  );
  await expect(node('setTimeout(() => {}, 60_000)', 300)).rejects.toThrow('took more than 300 ms');
  await expect(run('no-such-program', [], { timeoutMs: 1000 })).rejects.toMatchObject({
    cause: { code: 'ENOENT' },
  });
});

/** The processes whose command line has this text. */
function running(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false;
    }
  });
}

test('a program ends with the process that runs it, even if that process is killed', async () => {
  const marker = `polybus-${randomUUID()}`;
  const child = runNode(typescript(new URL('fixtures/run-and-hang.ts', import.meta.url), marker), {});
  onTestFinished(() => {
    child.signal('SIGKILL');
  });
  await child.sees(/^started$/m, 60_000);
  await waitFor('the program to run', () => running(marker).length === 2, { timeoutMs: 60_000 });
  child.signal('SIGKILL');
  await waitFor('the program to end', () => running(marker).length === 0, { timeoutMs: 60_000 });
});
