/* oxlint-disable vitest/valid-title, vitest/no-conditional-tests, vitest/valid-describe-callback --
   tests of others are registered here: their names and number are data. */
import { describe, test, vi } from 'vitest';
import { CaseContext } from './case-context.ts';
import { cases } from './cases/index.ts';
import { type ConformanceCase, appliesTo } from './conformance-case.ts';
import type { ConformanceOptions, EngineUnderTest } from './options.ts';
import { longestCaseMs, runCase } from './run-case.ts';

/** How many times the stress mode runs the suite beside itself: the environment's `POLYBUS_STRESS`. */
const stressVariable = 'POLYBUS_STRESS';
/** Cases of each copy that run at once: with all of them, a process would be too busy to keep any deadline. */
const atOnce = 4;
/** Everything takes longer where so much runs at once. */
const stressPatience = 5;

/**
 * Registers, with vitest, every case that the engine's capabilities call for.
 *
 * With `POLYBUS_STRESS=10` in the environment the suite runs ten times in parallel, each time with topics of its own.
 *
 * @example
 * ```ts
 * describeEngine('memory', () => memoryEngine());
 * ```
 */
export function describeEngine(
  name: string,
  factory: EngineUnderTest,
  options: ConformanceOptions = {},
): void {
  const copies = stressCopies();
  describe(name, async () => {
    const capabilities = await CaseContext.capabilitiesOf(factory);
    const all = cases.filter((one) => appliesTo(one, capabilities));
    const disruptive = all.filter((one) => one.isDisruptive === true);
    const peaceful = all.filter((one) => one.isDisruptive !== true);
    if (copies === 1) {
      register(peaceful, factory, options);
    } else {
      vi.setConfig({ maxConcurrency: copies * atOnce });
      const patient = { ...options, deadlineMs: (options.deadlineMs ?? 10_000) * stressPatience };
      describe.concurrent('stress', () => {
        for (let copy = 1; copy <= copies; copy++) {
          describe(`${copy} of ${copies}`, () => register(peaceful, factory, patient));
        }
      });
    }
    register(disruptive, factory, options);
  });
}

function register(
  selected: readonly ConformanceCase[],
  factory: EngineUnderTest,
  options: ConformanceOptions,
): void {
  const timeout = longestCaseMs(options.deadlineMs);
  for (const behaviour of new Set(selected.map((one) => one.behaviour))) {
    describe(behaviour, () => {
      for (const one of selected.filter((other) => other.behaviour === behaviour)) {
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
    `${stressVariable} is how many times the suite runs in parallel: expected 1 or more, got "${text}"`,
  );
}
