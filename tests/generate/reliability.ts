import type { RecordedRun } from '../chaos/record.ts';
import { readRecord, recordFile } from '../chaos/record.ts';
import { durableEngines, engineNames, leaseMs } from '../chaos/schedule/engines.ts';
import { type FaultKind, faultKinds, faultsOf } from '../chaos/schedule/faults.ts';
import { median, ofEngine, sumOf } from './reliability-numbers.ts';
import { table } from './table.ts';

/** The section of docs/reliability.md that comes from the record. */
export function reliabilitySection(runs: readonly RecordedRun[] = readRecord()): string {
  const seen = engineNames.filter((engine) => ofEngine(runs, engine).length > 0);
  return [
    '## Results',
    totalsTable(runs),
    brokenList(runs),
    '## Times',
    `The members of a group had a lease of ${leaseMs / 1000} s. The default of the engines is 6 s.`,
    timesTable(runs),
    '## Faults',
    'A schedule has several faults, so it counts in several rows.',
    ...seen.flatMap((engine) => [`### \`${engine}\``, faultsTable(ofEngine(runs, engine), engine)]),
    '## Versions',
    versionsTable(runs),
    `Source: [the record](../${recordFile}), with one line per schedule.`,
  ].join('\n\n');
}

/** What each kind of fault does. */
export function faultList(): string {
  const kinds = Object.entries(faultKinds).map(([kind, what]) => {
    const engines = engineNames.filter((engine) => faultsOf[engine].includes(kind as FaultKind));
    const where =
      engines.length === engineNames.length ? 'all' : engines.map((one) => `\`${one}\``).join(', ');
    return [`\`${kind}\``, what, where];
  });
  return table(['Fault', 'What happens', 'Engines'], kinds);
}

function totalsTable(runs: readonly RecordedRun[]): string {
  const rows = engineNames.map((engine) => {
    const own = ofEngine(runs, engine);
    const isDurable = durableEngines.includes(engine);
    return [
      `\`${engine}\``,
      number(own.length),
      number(sumOf(own, ({ faults }) => faults.length)),
      number(sumOf(own, ({ accepted }) => accepted)),
      isDurable ? number(sumOf(own, ({ lost, stuck }) => lost + stuck)) : 'may drop',
      number(sumOf(own, ({ unaccounted, unseen }) => unaccounted + unseen)),
      number(sumOf(own, ({ reordered }) => reordered)),
      causes(own, ({ repeated }) => repeated),
      causes(own, ({ overlapping }) => overlapping),
    ];
  });
  const head = [
    'Schedules',
    'Faults',
    'Accepted events',
    'Lost',
    'Unaccounted',
    'Reordered',
    'Repeated',
    'At once',
  ];
  return table(['', ...head], rows);
}

function brokenList(runs: readonly RecordedRun[]): string {
  const broken = runs.filter((run) => run.broken.length > 0);
  if (broken.length === 0) return 'No schedule of the record broke a promise.';
  const lines = broken.map(
    ({ engine, seed, commit, broken: what }) =>
      `- \`${engine}\`, seed ${seed}, at ${commit}: ${what.join('; ')}`,
  );
  return ['These schedules broke a promise:', lines.join('\n')].join('\n\n');
}

function timesTable(runs: readonly RecordedRun[]): string {
  const rows = engineNames.map((engine) => {
    const own = ofEngine(runs, engine);
    const takeovers = own.flatMap(({ takeoverMs }) => takeoverMs);
    const returns = own.flatMap(({ returnMs }) => returnMs);
    return [`\`${engine}\``, ...timesOf(takeovers), ...timesOf(returns)];
  });
  const head = ['A dead member', 'p50', 'max', 'The broker', 'p50', 'max'];
  return table(
    ['', ...head],
    rows.filter((cells) => cells.slice(1).some((cell) => cell !== '')),
  );
}

function timesOf(times: readonly number[]): string[] {
  if (times.length === 0) return ['', '', ''];
  return [`${times.length} times`, seconds(median(times)), seconds(Math.max(...times))];
}

function faultsTable(runs: readonly RecordedRun[], engine: RecordedRun['engine']): string {
  const rows = faultsOf[engine].map((kind) => {
    const own = runs.filter(({ faults }) => faults.some((fault) => fault.kind === kind));
    return [
      `\`${kind}\``,
      number(own.length),
      number(sumOf(own, ({ faults }) => faults.filter((fault) => fault.kind === kind).length)),
      number(sumOf(own, ({ accepted }) => accepted)),
      number(sumOf(own, ({ lost, stuck, unaccounted, unseen }) => lost + stuck + unaccounted + unseen)),
      number(sumOf(own, ({ reordered }) => reordered)),
      causes(own, ({ repeated }) => repeated),
    ];
  });
  return table(['Fault', 'Schedules', 'Times', 'Accepted events', 'Lost', 'Reordered', 'Repeated'], rows);
}

function versionsTable(runs: readonly RecordedRun[]): string {
  const names = (own: readonly RecordedRun[], of: (run: RecordedRun) => string | undefined): string =>
    [...new Set(own.map(of).filter((one) => one !== undefined))].join(', ');
  const rows = engineNames.map((engine) => {
    const own = ofEngine(runs, engine);
    const dates = own.map(({ date }) => date.slice(0, 10)).sort();
    const when = dates[0] === dates.at(-1) ? (dates[0] ?? '') : `${dates[0]} to ${dates.at(-1)}`;
    return [
      `\`${engine}\``,
      names(own, ({ node }) => node),
      names(own, ({ broker }) => broker),
      names(own, ({ commit }) => commit),
      when,
    ];
  });
  return table(['', 'Node.js', 'Broker', 'Commits', 'Date'], rows);
}

/** A count, with the causes if there are any. */
function causes(
  runs: readonly RecordedRun[],
  of: (run: RecordedRun) => Partial<Record<string, number>>,
): string {
  const all = new Map<string, number>();
  for (const run of runs)
    for (const [cause, count] of Object.entries(of(run)))
      all.set(cause, (all.get(cause) ?? 0) + (count ?? 0));
  if (all.size === 0) return '0';
  return [...all].map(([cause, count]) => `${number(count)} ${cause}`).join(', ');
}

const number = (value: number): string => value.toLocaleString('en');
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
