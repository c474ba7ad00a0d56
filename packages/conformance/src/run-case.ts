import { CaseContext, defaultDeadlineMs } from './case-context.ts';
import type { ConformanceCase } from './conformance-case.ts';
import { within } from './support/eventually.ts';
import type { ConformanceOptions, EngineUnderTest } from './options.ts';

/** How many deadlines a whole case may take. */
const waitsPerCase = 3;

/** The maximum duration of {@link runCase}, in milliseconds. */
export function longestCaseMs(deadlineMs: number = defaultDeadlineMs): number {
  return deadlineMs * (waitsPerCase + 2);
}

/**
 * Runs one case against engines of the factory, stops them, and checks their counts and that no delivery is stuck.
 *
 * @throws The reason why the engine does not pass.
 */
export async function runCase(
  one: ConformanceCase,
  factory: EngineUnderTest,
  options: ConformanceOptions = {},
): Promise<void> {
  const t = new CaseContext(factory, options);
  try {
    await within(one.run(t), `the end of the case "${one.name}"`, t.deadlineMs * waitsPerCase);
  } catch (error) {
    await t.abandon();
    throw error;
  }
  await t.end();
}
