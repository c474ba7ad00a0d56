/* oxlint-disable vitest/valid-title, vitest/no-conditional-tests, vitest/valid-describe-callback --
   this file registers the tests of engine packages: their names and number are data. */
import { describe, test, vi } from 'vitest';
import { CaseContext } from './case-context.ts';
import { cases } from './cases/index.ts';
import { type ConformanceCase, appliesTo } from './conformance-case.ts';
import type { ConformanceOptions, EngineUnderTest } from './options.ts';
import { longestCaseMs, runCase } from './run-case.ts';

/** The environment variable that says how many copies of the suite run in parallel. */
const stressVariable = 'POLYBUS_STRESS';
/** How many cases of each copy run at once. With all of them at once, the process would be too busy to keep any deadline. */
const atOnce = 4;
/** Multiplies the deadlines, because everything takes longer when so many cases run at once. */
const stressDeadlineFactor = 5;

/**
 * Registers with vitest every case that the engine's capabilities require.
 *
 * With `POLYBUS_STRESS=10` in the environment, ten copies of the suite run in parallel, each with topics of its own.
 *
 * @example
 * ```ts
 * describeEngine('memory', () => memoryEngine());
 * ```
 */
export function describeEngine<Config = unknown>(
  name: string,
  factory: EngineUnderTest<Config>,
  options: ConformanceOptions<Config> = {},
): void {
  describeCases(name, cases, factory, options);
}

/** Registers those of the cases that the engine's capabilities require. */
export function describeCases<Config>(
  name: string,
  some: readonly ConformanceCase[],
  factory: EngineUnderTest<Config>,
  options: ConformanceOptions<Config>,
): void {
  const copies = stressCopies();
  describe(name, async () => {
    const capabilities = await CaseContext.capabilitiesOf(factory as EngineUnderTest, options.config);
    const all = some.filter((one) => appliesTo(one, capabilities));
    const disruptive = all.filter((one) => one.isDisruptive === true);
    const parallel = all.filter((one) => one.isDisruptive !== true);
    if (copies === 1) {
      register(parallel, factory, options);
    } else {
      vi.setConfig({ maxConcurrency: copies * atOnce });
      const slower = { ...options, deadlineMs: (options.deadlineMs ?? 10_000) * stressDeadlineFactor };
      describe.concurrent('stress', () => {
        for (let copy = 1; copy <= copies; copy++) {
          describe(`${copy} of ${copies}`, () => register(parallel, factory, slower));
        }
      });
    }
    register(disruptive, factory, options);
  });
}

function register<Config>(
  selected: readonly ConformanceCase[],
  factory: EngineUnderTest<Config>,
  options: ConformanceOptions<Config>,
): void {
  for (const behaviour of new Set(selected.map((one) => one.behaviour))) {
    describe(behaviour, () => {
      for (const one of selected.filter((other) => other.behaviour === behaviour)) {
        const timeout = longestCaseMs(one, options.deadlineMs);
        test(one.name, { timeout }, () => runCase(one, factory, options));
      }
    });
  }
}

function stressCopies(): number {
  const text = process.env[stressVariable] ?? '1';
  const copies = Number(text);
  if (Number.isInteger(copies) && copies >= 1) return copies;
  throw new RangeError(
    `Invalid ${stressVariable}: expected the number of parallel copies of the suite, an integer of at least 1, got "${text}"`,
  );
}
