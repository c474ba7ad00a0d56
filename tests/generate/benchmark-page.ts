import { type ComparisonResult, isMet, own, ratioOf } from '../../benchmarks/src/harness/compare.ts';
import type { Benchmark, Report } from '../../benchmarks/src/harness/report.ts';
import { type Reports, readReports, resultOf, showValue } from './benchmark-reports.ts';
import { table } from './table.ts';

const titles: Readonly<Record<Benchmark, string>> = {
  memory: 'Memory',
  redis: 'Redis',
  kafka: 'Kafka',
  kinesis: 'Kinesis',
};

/** The section of docs/benchmarks.md that comes from the recorded reports. */
export function benchmarkSection(): string {
  const parts = [...readReports()].filter(([, reports]) => reports.size > 0);
  return parts
    .flatMap(([name, reports]) => [
      `## ${titles[name]}`,
      `![Throughput and cost of polybus beside its peers on ${titles[name]}](benchmarks/${name}.svg)`,
      targetTable(reports),
      valueTable(reports),
      versions(reports),
    ])
    .join('\n\n');
}

function targetTable(reports: Reports): string {
  const [first] = reports.values();
  const rows = first!.results.flatMap(({ title, unit, targets }) =>
    targets.map((target) => [
      title,
      `${target.of === own ? '' : `${target.of}: `}at ${unit === 'events/s' ? 'least' : 'most'} ${target.ratio} of ${target.peer}`,
      ...[...reports.values()].map((report) => {
        const result = resultOf(report, title);
        if (result === undefined) return '';
        return `${ratioOf(result, target.of, target.peer).toFixed(2)}${isMet(result, target) ? '' : ' (missed)'}`;
      }),
    ]),
  );
  return table(['Comparison', 'Target', ...heads(reports)], rows);
}

function valueTable(reports: Reports): string {
  const [first] = reports.values();
  const rows = first!.results.flatMap(({ title, measured }) =>
    measured.map(({ name }) => [
      title,
      name,
      ...[...reports.values()].map((report) => cell(resultOf(report, title), name)),
    ]),
  );
  return table(['Comparison', 'Contender', ...heads(reports)], rows);
}

function cell(result: ComparisonResult | undefined, name: string): string {
  const found = result?.measured.find((one) => one.name === name);
  if (result === undefined || found === undefined) return '';
  const { median, lowest, highest } = found;
  const [low, high] = [lowest, highest].map((value) => showValue(value, result.unit));
  return `${showValue(median, result.unit)} (${low} to ${high})`;
}

function heads(reports: Reports): string[] {
  return [...reports.keys()].map((major) => `Node ${major}`);
}

function versions(reports: Reports): string {
  const shown = ({ node, cores, date, versions: found }: Report): string => {
    const list = Object.entries(found).map(([name, version]) => `${name} ${version}`);
    return `Node ${node}, ${cores} cores, ${date}: ${list.join(', ')}.`;
  };
  return [...reports.values()].map(shown).join(' ');
}

/** The figures in the README: one line for each of three benchmarks. */
export function benchmarkSummary(): string {
  const reports = readReports();
  const line = (name: Benchmark, what: string, title: string, peer: string): string[] => {
    const found = [...reports.get(name)!].flatMap(([major, report]) => {
      const result = resultOf(report, title);
      if (result === undefined) return [];
      const shown = (name: string): string =>
        showValue(result.measured.find((one) => one.name === name)!.median, result.unit);
      return [`${shown(own)} on Node ${major} (${peer}: ${shown(peer)})`];
    });
    return found.length === 0 ? [] : [`- ${what}: ${found.join('; ')}`];
  };
  return [
    ...line(
      'memory',
      'Memory engine, CPU time of an awaited publish with one handler (less is better)',
      'Awaited publish, 1 handler',
      'emittery',
    ),
    ...line(
      'redis',
      'Redis Streams, events published and handled (more is better)',
      'Streams: end to end, 256 in flight',
      'ioredis',
    ),
    ...line('kafka', 'Kafka, events consumed (more is better)', 'Consume', 'kafkajs'),
  ].join('\n');
}
