import type { RecordedRun } from '../chaos/record.ts';

export function ofEngine(runs: readonly RecordedRun[], engine: RecordedRun['engine']): RecordedRun[] {
  return runs.filter((run) => run.engine === engine);
}

export function sumOf(runs: readonly RecordedRun[], of: (run: RecordedRun) => number): number {
  return runs.reduce((sum, run) => sum + of(run), 0);
}

/** The lower of the two in the middle, of an even count. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}
