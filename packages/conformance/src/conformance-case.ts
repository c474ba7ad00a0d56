import type { Capabilities } from '@polybus/core/engine';
import type { CaseContext } from './case-context.ts';

/** One behaviour that every engine must have. It does not depend on vitest: it passes if `run` resolves. */
export interface ConformanceCase {
  /** Unique in the suite. A sentence that is true for an engine that passes. */
  readonly name: string;
  /** The group of cases that it belongs to, which is the name of its file. */
  readonly behaviour: string;
  /** The rules of the contract that it tests, by their numbers in the README. */
  readonly rules: readonly number[];
  /** Runs only on engines whose capabilities have these values. Default: on every engine. */
  readonly needs?: Partial<Capabilities> | undefined;
  /**
   * True if it interrupts the broker, sets the clock, blocks the event loop or starts processes, so that no other case may run at the
   * same time.
   */
  readonly isDisruptive?: boolean | undefined;
  /** How many times the deadline the case may take. Default 3. */
  readonly deadlines?: number | undefined;
  run(t: CaseContext): Promise<void>;
}

/** Makes the cases of one behaviour. */
export function defineCases(
  behaviour: string,
  cases: readonly Omit<ConformanceCase, 'behaviour'>[],
): readonly ConformanceCase[] {
  return cases.map((one) => ({ ...one, behaviour }));
}

/** Returns true if an engine with these capabilities must pass the case. */
export function appliesTo({ needs = {} }: ConformanceCase, capabilities: Capabilities): boolean {
  return Object.entries(needs).every(
    ([name, value]) => (capabilities[name as keyof Capabilities] ?? false) === value,
  );
}
