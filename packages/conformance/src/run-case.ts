import { CaseContext, defaultDeadlineMs } from './case-context.ts';
import type { ConformanceCase } from './conformance-case.ts';
import { within } from './support/eventually.ts';
import type { ConformanceOptions, EngineUnderTest } from './options.ts';

/** How many deadlines a case may take that does not say it. */
const defaultDeadlines = 3;

/** The maximum duration of {@link runCase}, in milliseconds. */
export function longestCaseMs(
  { deadlines = defaultDeadlines }: ConformanceCase,
  deadlineMs: number = defaultDeadlineMs,
): number {
  return deadlineMs * (deadlines + 2);
}

/**
 * Runs one case against engines of the factory, stops them, and checks their counts and that no delivery is stuck.
 *
 * @throws The reason why the engine does not pass.
 */
export async function runCase<Config = unknown>(
  one: ConformanceCase,
  factory: EngineUnderTest<Config>,
  options: ConformanceOptions<Config> = {},
): Promise<void> {
  // The context only passes the option `config` to the factory.
  const t = new CaseContext(factory as EngineUnderTest, options);
  const { deadlines = defaultDeadlines } = one;
  try {
    await within(one.run(t), `the end of the case "${one.name}"`, t.deadlineMs * deadlines);
  } catch (error) {
    await t.abandon();
    throw error;
  }
  await t.end();
}
