import { type ConformanceCase, defineCases } from '../../conformance-case.ts';

/** Makes cases that start child processes, which takes its time and the machine's. */
export function defineProcessCases(
  behaviour: string,
  cases: readonly Omit<ConformanceCase, 'behaviour'>[],
): readonly ConformanceCase[] {
  return defineCases(
    behaviour,
    cases.map((one) => ({ isDisruptive: true, deadlines: 6, ...one })),
  );
}
