import { type RecordedRun, readRecord } from '../chaos/record.ts';
import { durableEngines, engineNames, leaseMs } from '../chaos/schedule/engines.ts';
import { type FaultKind, faultKinds, faultsOf } from '../chaos/schedule/faults.ts';
import { median, ofEngine, sumOf } from './reliability-numbers.ts';
import { svg, text } from './svg.ts';

/** Where the chart is, from the root. */
export const chartFile = 'docs/reliability/chart.svg';

const width = 880;
const left = 172;
const column = 118;
const row = 22;
const headHeight = 104;

const style = `
  .title { font-size: 20px; font-weight: 600 }
  .strong { font-weight: 600 }
  .held { fill: #1a7f37 }
  .broken { fill: #cf222e }
  .line { stroke: #d1d9e0 }
  .lease { stroke: #bf8700; stroke-dasharray: 4 3 }
  .middle { stroke: #1f2328; stroke-width: 2 }
  .takeover { fill: #0969da; fill-opacity: .55 }
  .return { fill: #8250df; fill-opacity: .55 }
  @media (prefers-color-scheme: dark) {
    .held { fill: #3fb950 } .broken { fill: #f85149 } .line { stroke: #3d444d } .middle { stroke: #f0f6fc }
    .takeover { fill: #4493f8 } .return { fill: #ab7df8 }
  }`;

/** A drawing of the record: which faults each engine has seen, and how long it took until work went on. */
export function reliabilityChart(runs: readonly RecordedRun[] = readRecord()): string {
  const faults = faultMatrix(runs, headHeight);
  const times = timeStrips(runs, faults.bottom + 56);
  const height = times.bottom + 16;
  return svg(width, height, headline(runs), style, [
    text(0, 24, headline(runs), 'title'),
    text(
      0,
      46,
      'How often each fault happened to each engine. Green: every promise held. Red: one did not.',
      'quiet',
    ),
    ...faults.marks,
    ...times.marks,
  ]);
}

function headline(runs: readonly RecordedRun[]): string {
  const durable = runs.filter(({ engine }) => durableEngines.includes(engine));
  const lost = sumOf(durable, (run) => run.lost + run.stuck);
  const faults = sumOf(runs, (run) => run.faults.length);
  const accepted = sumOf(durable, (run) => run.accepted);
  return `${show(runs.length)} schedules, ${show(faults)} faults, ${show(accepted)} events on durable engines, ${show(lost)} lost`;
}

interface Drawing {
  readonly marks: readonly string[];
  readonly bottom: number;
}

function faultMatrix(runs: readonly RecordedRun[], top: number): Drawing {
  const kinds = Object.keys(faultKinds) as FaultKind[];
  const heads = engineNames.flatMap((engine, i) => {
    const x = left + i * column + column / 2;
    const own = ofEngine(runs, engine);
    return [
      text(x, top - 26, engine, 'strong', 'middle'),
      text(x, top - 10, `${show(own.length)} schedules`, 'quiet', 'middle'),
    ];
  });
  const most = Math.max(
    1,
    ...kinds.flatMap((kind) => engineNames.map((engine) => timesOf(ofEngine(runs, engine), kind))),
  );
  const cells = kinds.flatMap((kind, line) => {
    const y = top + line * row;
    return [
      text(left - 12, y + 15, kind, '', 'end'),
      ...engineNames.map((engine, i) =>
        cell(ofEngine(runs, engine), engine, kind, left + i * column, y, most),
      ),
    ];
  });
  return { marks: [...heads, ...cells], bottom: top + kinds.length * row };
}

/** One kind of fault on one engine: darker the more often it happened. */
function cell(
  runs: readonly RecordedRun[],
  engine: RecordedRun['engine'],
  kind: FaultKind,
  x: number,
  y: number,
  most: number,
): string {
  if (!faultsOf[engine].includes(kind)) return text(x + column / 2, y + 15, '·', 'quiet', 'middle');
  const count = timesOf(runs, kind);
  const isBroken = runs.some(
    ({ broken, faults }) => broken.length > 0 && faults.some((one) => one.kind === kind),
  );
  const strength = count === 0 ? 0.06 : 0.18 + 0.5 * Math.sqrt(count / most);
  return [
    `<rect class="${isBroken ? 'broken' : 'held'}" fill-opacity="${strength.toFixed(2)}" x="${x + 2}" y="${y + 1}" width="${column - 4}" height="${row - 2}" rx="4"/>`,
    text(x + column / 2, y + 15, show(count), count === 0 ? 'quiet' : '', 'middle'),
  ].join('');
}

function timesOf(runs: readonly RecordedRun[], kind: FaultKind): number {
  return sumOf(runs, ({ faults }) => faults.filter((fault) => fault.kind === kind).length);
}

const stripHeight = 34;

function timeStrips(runs: readonly RecordedRun[], top: number): Drawing {
  const strips = [
    ...durableEngines.map((engine) => ({
      name: engine,
      mark: 'takeover',
      times: ofEngine(runs, engine).flatMap(({ takeoverMs }) => takeoverMs),
    })),
    ...[...durableEngines, 'redis-pubsub' as const].map((engine) => ({
      name: engine,
      mark: 'return',
      times: ofEngine(runs, engine).flatMap(({ returnMs }) => returnMs),
    })),
  ].filter(({ times }) => times.length > 0);
  const limitMs = Math.max(2 * leaseMs, ...strips.flatMap(({ times }) => times));
  const x = (ms: number): number => left + (ms / limitMs) * (width - left - 80);
  const bottom = top + 30 + strips.length * stripHeight;
  const axis = ticks(limitMs).flatMap((ms) => [
    `<line class="line" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="${top + 20}" y2="${bottom}"/>`,
    text(x(ms), bottom + 16, `${ms / 1000} s`, 'quiet', 'middle'),
  ]);
  const drawn = strips.flatMap(({ name, mark, times }, i) =>
    strip(name, mark, times, top + 38 + i * stripHeight, x),
  );
  return {
    marks: [
      `<circle class="takeover" cx="6" cy="${top - 4}" r="5"/>`,
      text(18, top, 'until the events of a killed member were handled elsewhere', ''),
      `<circle class="return" cx="406" cy="${top - 4}" r="5"/>`,
      text(418, top, 'until a broker that was away was used again', ''),
      ...axis,
      `<line class="lease" x1="${x(leaseMs).toFixed(1)}" x2="${x(leaseMs).toFixed(1)}" y1="${top + 20}" y2="${bottom}"/>`,
      text(x(leaseMs) + 4, top + 28, 'lease', 'quiet'),
      ...drawn,
    ],
    bottom: bottom + 16,
  };
}

/** One dot for each time, and a line at the median. */
function strip(
  name: string,
  mark: string,
  times: readonly number[],
  y: number,
  x: (ms: number) => number,
): string[] {
  const middle = median(times);
  return [
    text(left - 12, y + 12, name, '', 'end'),
    ...times.map(
      (ms, i) => `<circle class="${mark}" cx="${x(ms).toFixed(1)}" cy="${y + 4 + (i % 5) * 3}" r="3.5"/>`,
    ),
    `<line class="middle" x1="${x(middle).toFixed(1)}" x2="${x(middle).toFixed(1)}" y1="${y - 2}" y2="${y + 22}"/>`,
    text(width - 72, y + 12, `p50 ${(middle / 1000).toFixed(1)} s`, 'quiet'),
  ];
}

function ticks(limitMs: number): number[] {
  const step = [500, 1000, 2000, 5000, 10_000, 20_000].find((ms) => limitMs / ms <= 12) ?? 60_000;
  return Array.from({ length: Math.floor(limitMs / step) + 1 }, (_, i) => i * step);
}

const show = (value: number): string => value.toLocaleString('en');
