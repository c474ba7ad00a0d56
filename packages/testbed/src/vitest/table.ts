import type { BrokerInfo, BrokerName } from '../types.ts';

/** A line of the table: a running broker, or the name of a missing one. */
export type TableRow = BrokerInfo | { readonly name: BrokerName; readonly missing: true };

const HEAD = ['broker', 'version', 'provider', 'start-up'] as const;

function cells(row: TableRow): readonly string[] {
  if ('missing' in row) return [row.name, '-', 'MISSING', '-'];
  return [row.name, row.version, row.provider, `${(row.startupMs / 1_000).toFixed(1)} s`];
}

/** The brokers of a run as a table: name, version, provider, start-up time. */
export function formatTable(rows: readonly TableRow[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) => ` ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}
