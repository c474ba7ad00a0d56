import { type ComparisonResult, own } from '../../benchmarks/src/harness/compare.ts';
import type { Report } from '../../benchmarks/src/harness/report.ts';
import { benchmarkFolder, readReports, showValue } from './benchmark-reports.ts';
import { svg, text } from './svg.ts';

const width = 880;
const left = 250;
const bar = 20;
const gap = 46;

const style = `
  .title { font-size: 14px; font-weight: 600 }
  .own { fill: #0969da }
  .peer { fill: #818b98; fill-opacity: .6 }
  @media (prefers-color-scheme: dark) { .own { fill: #4493f8 } }`;

/** The charts of the recorded reports, by their paths from the root: one for each benchmark, on the newest recorded Node.js. */
export function benchmarkCharts(): Record<string, string> {
  const charts: Record<string, string> = {};
  for (const [name, reports] of readReports()) {
    const newest = [...reports.values()].at(-1);
    if (newest !== undefined) charts[`${benchmarkFolder}/${name}.svg`] = chart(newest);
  }
  return charts;
}

function chart({ benchmark, node, results }: Report): string {
  let top = 34;
  const marks: string[] = [];
  for (const result of results) {
    marks.push(...block(result, top));
    top += gap + result.measured.length * bar;
  }
  const head = text(0, 14, `Node ${node}. polybus is blue.`, 'quiet');
  return svg(width, top, `Benchmarks of ${benchmark} on Node ${node}`, style, [head, ...marks]);
}

function block({ title, unit, measured }: ComparisonResult, top: number): string[] {
  const most = Math.max(...measured.map(({ median }) => median));
  const better = unit === 'events/s' ? 'more is better' : 'less is better';
  const kind = unit === 'ns' ? 'CPU time per event' : unit === 'events/s' ? 'events per second' : 'time';
  return [
    text(0, top + 14, title, 'title'),
    text(width, top + 14, `${kind}, ${better}`, 'quiet', 'end'),
    ...measured.flatMap(({ name, median }, i) => {
      const y = top + 24 + i * bar;
      const length = Math.max(2, (median / most) * (width - left - 90));
      return [
        text(left - 10, y + 14, name, '', 'end'),
        `<rect class="${name.startsWith(own) ? 'own' : 'peer'}" x="${left}" y="${y + 3}" width="${length.toFixed(1)}" height="${bar - 5}" rx="3"/>`,
        text(left + length + 8, y + 14, showValue(median, unit), 'quiet'),
      ];
    }),
  ];
}
