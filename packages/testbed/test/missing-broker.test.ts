import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runNode, type Child } from './support/child.ts';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const config = fileURLToPath(new URL('fixtures/missing/vitest.config.ts', import.meta.url));

/** A vitest run, in a process of its own, on a machine that has no Redis of any kind. */
function runWithoutRedis(ci: string): Child {
  return runNode([vitest, 'run', '--config', config], {
    CI: ci,
    POLYBUS_TEST_PROVIDERS: 'url',
    POLYBUS_TEST_REDIS_URL: undefined,
    // With the variables of a vitest worker, this run would behave as a worker.
    VITEST: undefined,
    VITEST_POOL_ID: undefined,
    VITEST_WORKER_ID: undefined,
  });
}

test('a missing broker fails a CI run, with its name and how to provide it', async () => {
  const run = runWithoutRedis('true');
  expect(await run.ended).toBe(1);
  expect(run.output).toContain('a CI run must not pass without its brokers');
  expect(run.output).toContain('no redis broker on this machine');
  expect(run.output).toContain('url: POLYBUS_TEST_REDIS_URL is not set');
  expect(run.output).toContain(
    'How to provide it: set POLYBUS_TEST_REDIS_URL, or start Docker, or install redis-server',
  );
  expect(run.output).not.toContain('1 passed');
});

test('outside CI, the suites of a missing broker are reported as not run, and the others run', async () => {
  const run = runWithoutRedis('');
  expect(await run.ended).toBe(0);
  expect(run.output).toMatch(/redis +- +MISSING +-/);
  expect(run.output).toMatch(/Tests +1 passed \| 1 skipped/);
  const summary = run.output.slice(run.output.indexOf('NOT RUN, because a broker is missing'));
  expect(summary).toContain('- missing > suite.fixture.ts > streams');
  expect(summary).toContain('no redis broker on this machine');
  expect(summary).toContain('How to provide it');
});
