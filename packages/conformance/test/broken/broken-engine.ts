import type { Engine } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { expect, test } from 'vitest';
import {
  type ConformanceCase,
  type ConformanceOptions,
  type EngineUnderTest,
  appliesTo,
  cases,
  runCase,
} from '../../src/index.ts';

/** An engine with one fault, and the case that finds it. */
export interface BrokenEngine {
  readonly wrong: string;
  /** The beginning of the name of the case. */
  readonly foundBy: string;
  /** A part of the error of the case, which excludes that it fails for another reason. */
  readonly because: string;
  readonly engine: EngineUnderTest;
  /** The same engine without the fault. Default: the memory engine. */
  readonly intact?: EngineUnderTest;
  readonly options?: ConformanceOptions;
  /** Default: `options`. */
  readonly intactOptions?: ConformanceOptions;
}

/** The deadline for broken engines, in milliseconds: long enough for a busy machine to show the fault. */
const brokenDeadlineMs = 4000;

/**
 * Registers, for each broken engine, that its case fails there and passes on the intact engine.
 *
 * @param register - `test`, if the tests must not run at the same time.
 */
export function describeBroken(
  broken: readonly BrokenEngine[],
  register: Pick<typeof test, 'each'> = test.concurrent,
): void {
  register.each(broken)(
    '$wrong',
    async ({
      foundBy,
      because,
      engine,
      intact = ({ stallLimitMs }) => memoryEngine({ stallLimitMs }),
      options = {},
      intactOptions = options,
    }) => {
      const one = caseCalled(foundBy);
      const { capabilities } = await engine({
        id: 't-probe',
        index: 0,
        stallLimitMs: 30_000,
        config: options.config,
      });
      expect(appliesTo(one, capabilities)).toBe(true);
      await runCase(one, intact, { ...intactOptions, deadlineMs: 10_000 });
      const run = runCase(one, engine, { deadlineMs: brokenDeadlineMs, ...options });
      await expect(run).rejects.toThrow(because);
    },
  );
}

function caseCalled(beginning: string): ConformanceCase {
  const [one, another] = cases.filter(({ name }) => name.startsWith(beginning));
  if (one === undefined || another !== undefined)
    throw new Error(`not exactly one case begins with "${beginning}"`);
  return one;
}

/** The factory of a class of engines. */
export function of(make: new () => Engine): EngineUnderTest {
  return () => new make();
}
