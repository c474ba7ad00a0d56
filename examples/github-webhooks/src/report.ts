import type { Row } from './ledger.ts';
import { fit, paint } from './screen.ts';

/** The maximum number of rows of a short table. */
const usual = 12;
const topicWidth = 33;
const columns = [
  ['published', 10],
  ['enqueued', 9],
  ['delivered', 10],
  ['retried', 8],
  ['deadLettered', 14],
  ['dropped', 8],
] as const;
const latencyWidth = 9;
const width = topicWidth + columns.reduce((sum, [, one]) => sum + one, 0) + 2 * latencyWidth;

/**
 * A table of one engine: its busiest topics by event, the others as one row, and the sum.
 *
 * @param isFull - True for a row per topic.
 */
export function report(engine: string, about: string, rows: readonly Row[], isFull: boolean): string {
  const byGroup = new Map<string, Row[]>();
  for (const row of rows) {
    const group = isFull ? row.topic : groupOf(row.topic);
    byGroup.set(group, [...(byGroup.get(group) ?? []), row]);
  }
  const groups = [...byGroup].map(([topic, all]) => sum(topic, all));
  // Failed topics first, then the busiest topics.
  groups.sort((a, b) => troubles(b) - troubles(a) || b.enqueued - a.enqueued);
  const most = isFull ? groups.length : usual;
  const shown = groups.slice(0, most).sort((a, b) => b.enqueued - a.enqueued);
  const rest = groups.slice(most);
  return [
    `${paint('bold', engine)}  ${paint('gray', about)}`,
    paint(
      'gray',
      line('topic', (column) => column, 'p50 ms', 'p99 ms'),
    ),
    paint('gray', '─'.repeat(width)),
    ...shown.map((row) => format(row)),
    ...(rest.length > 0 ? [format(sum(`${rest.length} more`, rest))] : []),
    paint('gray', '─'.repeat(width)),
    paint('bold', format(sum('total', groups))),
  ].join('\n');
}

/** `github.issues.*` for `github.issues.opened`. */
function groupOf(topic: string): string {
  const [, prefix = '', event, action] = /^(_dead\.)?(github\.[^.]+)(\..+)?$/.exec(topic) ?? [];
  if (event === undefined) return topic;
  return `${prefix}${event}${action === undefined ? '' : '.*'}`;
}

function troubles({ retried, deadLettered, topic }: Row): number {
  return retried + deadLettered > 0 || topic.startsWith('_') ? 1 : 0;
}

function sum(topic: string, rows: readonly Row[]): Row {
  const add = (column: (typeof columns)[number][0]): number =>
    rows.reduce((total, row) => total + row[column], 0);
  return {
    engine: '',
    topic,
    published: add('published'),
    enqueued: add('enqueued'),
    delivered: add('delivered'),
    retried: add('retried'),
    deadLettered: add('deadLettered'),
    dropped: add('dropped'),
    latencies: rows.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
  };
}

function format(row: Row): string {
  const latency = (p: number): string => percentile(row.latencies, p)?.toFixed(2) ?? '-';
  return line(row.topic, (column) => String(row[column]), latency(50), latency(99));
}

function line(
  topic: string,
  cell: (column: (typeof columns)[number][0]) => string,
  p50: string,
  p99: string,
): string {
  const cells = columns.map(([column, size]) => headerOf(cell(column)).padStart(size));
  return fit(topic, topicWidth) + cells.join('') + p50.padStart(latencyWidth) + p99.padStart(latencyWidth);
}

function headerOf(text: string): string {
  return text === 'deadLettered' ? 'dead-lettered' : text;
}

/** A percentile of sorted numbers, by the nearest rank. */
function percentile(sorted: readonly number[], p: number): number | undefined {
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)];
}
