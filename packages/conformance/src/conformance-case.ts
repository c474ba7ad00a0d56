import type { Capabilities } from '@polybus/core/engine';
import type { CaseContext } from './case-context.ts';

/** One thing that every engine has to do. It knows nothing of vitest: it passes by resolving. */
export interface ConformanceCase {
  /** Unique in the suite, and a sentence that is true of an engine that passes. */
  readonly name: string;
  /** The behaviour it belongs to: the name of its file. */
  readonly behaviour: string;
  /** The rules of the contract that it proves, by their numbers in the README. */
  readonly rules: readonly number[];
  /** Run only on engines whose capabilities have these values. */
  readonly needs?: Partial<Capabilities> | undefined;
  /** It stops or breaks the broker, or sets the clock, so nothing else may run beside it. */
  readonly isDisruptive?: boolean | undefined;
  run(t: CaseContext): Promise<void>;
}

/** The cases of one behaviour. */
export function defineCases(
  behaviour: string,
  cases: readonly Omit<ConformanceCase, 'behaviour'>[],
): readonly ConformanceCase[] {
  return cases.map((one) => ({ ...one, behaviour }));
}

/** True where an engine with these capabilities has to pass the case. */
export function appliesTo({ needs = {} }: ConformanceCase, capabilities: Capabilities): boolean {
  return Object.entries(needs).every(([name, value]) => capabilities[name as keyof Capabilities] === value);
}
