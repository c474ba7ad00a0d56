import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ComparisonResult } from '../../benchmarks/src/harness/compare.ts';
import { type Benchmark, type Report, benchmarks } from '../../benchmarks/src/harness/report.ts';
import { root } from '../test/docs/blocks.ts';

/** Where the reports and charts are, from the root. */
export const benchmarkFolder = 'docs/benchmarks';

/** The recorded reports of a benchmark, by the major version of Node.js, in ascending order. */
export type Reports = ReadonlyMap<number, Report>;

export function readReports(): ReadonlyMap<Benchmark, Reports> {
  const folder = join(root, benchmarkFolder);
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  const reports = files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Report);
  const majorOf = ({ node }: Report): number => Number.parseInt(node, 10);
  const of = (benchmark: Benchmark): Reports =>
    new Map(
      reports
        .filter((report) => report.benchmark === benchmark)
        .map((report): [number, Report] => [majorOf(report), report])
        .toSorted(([a], [b]) => a - b),
    );
  return new Map(benchmarks.map((name) => [name, of(name)]));
}

/** The comparison of a title in a report; undefined if it was not recorded. */
export function resultOf(report: Report | undefined, title: string): ComparisonResult | undefined {
  return report?.results.find((result) => result.title === title);
}

/** Shows a value with three significant digits at least, such as `682 ns`, `1.18 µs` or `63,100/s`. */
export function showValue(value: number, unit: ComparisonResult['unit']): string {
  if (unit === 'ns' && value >= 1000) return `${(value / 1000).toPrecision(3)} µs`;
  const rounded = value >= 1000 ? Number(value.toPrecision(3)) : Math.round(value);
  return unit === 'events/s'
    ? `${rounded.toLocaleString('en')}/s`
    : `${rounded.toLocaleString('en')} ${unit}`;
}
