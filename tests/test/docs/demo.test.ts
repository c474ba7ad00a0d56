import { exec } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { imbalances } from '../../../examples/github-webhooks/src/balance.ts';
import type { Row } from '../../../examples/github-webhooks/src/ledger.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const columns = ['published', 'enqueued', 'delivered', 'retried', 'deadLettered', 'dropped'] as const;

interface Line extends Record<(typeof columns)[number], number> {
  readonly topic: string;
  readonly p50: number;
  readonly p99: number;
}

/** The tables that the demo printed, by engine. */
function tablesOf(output: string): Record<string, Line[]> {
  const tables: Record<string, Line[]> = {};
  let engine = '';
  for (const text of output.split('\n')) {
    engine = /^(\w+) {2}(?:durable-)?memory: /.exec(text)?.[1] ?? engine;
    const [, topic, cells] = /^(\S+|\d+ more) +((?:\d+ +){6}\S+ +\S+)$/.exec(text) ?? [];
    if (topic === undefined || cells === undefined) continue;
    const [published, enqueued, delivered, retried, deadLettered, dropped, p50, p99] = cells
      .split(/ +/)
      .map(Number);
    const counts = { published, enqueued, delivered, retried, deadLettered, dropped, p50, p99 } as Omit<
      Line,
      'topic'
    >;
    (tables[engine] ??= []).push({ topic, ...counts });
  }
  return tables;
}

describe('npm run demo', () => {
  let output = '';
  let tables: Record<string, Line[]> = {};
  beforeAll(async () => {
    // Rejects if the exit code is not 0.
    output = (await promisify(exec)('npm run --silent demo', { cwd: root })).stdout;
    tables = tablesOf(output);
  });

  test('prints a table for each engine, whose rows add up to the total', () => {
    expect(Object.keys(tables)).toEqual(['work', 'feed']);
    for (const table of Object.values(tables)) {
      const total = table.at(-1)!;
      const rows = table.slice(0, -1);
      expect(total.topic).toBe('total');
      expect(rows.length).toBeGreaterThan(10);
      const sums = columns.map((column) => [column, rows.reduce((sum, row) => sum + row[column], 0)]);
      expect(total).toMatchObject(Object.fromEntries(sums));
    }
  });

  test('ends each expected delivery as delivered or dropped', () => {
    for (const { topic, enqueued, delivered, dropped } of Object.values(tables).flat()) {
      expect({ topic, ended: delivered + dropped }).toEqual({ topic, ended: enqueued });
    }
    for (const [engine, table] of Object.entries(tables)) {
      const { enqueued, delivered, dropped } = table.at(-1)!;
      expect(output).toContain(
        `✓ ${engine}: ${enqueued} enqueued = ${delivered} delivered + ${dropped} dropped + 0 pending`,
      );
    }
  });

  test('shows every kind of outcome, and the same failures on every run', () => {
    const totals = Object.fromEntries(
      Object.entries(tables).map(([engine, table]) => [engine, table.at(-1)]),
    );
    expect(totals['work']).toMatchObject({ published: 3267, retried: 148, deadLettered: 39, dropped: 0 });
    expect(totals['feed']).toMatchObject({ published: 3600, retried: 0, deadLettered: 0 });
    expect(totals['feed']!.dropped).toBeGreaterThan(0);
    for (const kind of ['wildcard', 'typed', 'async', 'retried', 'dead letter', 'log']) {
      expect(output).toMatch(new RegExp(`^ {2}${kind} +\\S+`, 'm'));
    }
  });

  test('measures latency', () => {
    for (const { p50, p99 } of Object.values(tables).flat()) {
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
    }
  });

  test('shows its progress, and fits a terminal of 110 columns', () => {
    expect(output).toMatch(/^ *\d\.\ds {2}work {2}\d+ published · \d+ delivered/m);
    expect(output.split('\n').filter((line) => line.length > 110)).toEqual([]);
    expect(output).not.toContain('\u001b');
  });
});

describe('the balance of the demo', () => {
  const row: Row = {
    engine: 'work',
    topic: 'github.push',
    published: 2,
    enqueued: 4,
    delivered: 3,
    retried: 1,
    deadLettered: 0,
    dropped: 1,
    latencies: [1, 1, 1],
  };
  const stats = { ...row, pending: 0, running: 0, deferred: 0, failed: 0, released: 0 };

  test('holds if the ledger and the engine agree', () => {
    expect(imbalances([row], { work: stats })).toEqual([]);
  });

  test.each([
    [
      'a delivery that vanished',
      { ...row, delivered: 2 },
      stats,
      /4 deliveries were due, but 2 delivered \+ 1 dropped/,
    ],
    [
      'a retry that the engine did not count',
      row,
      { ...stats, retried: 0 },
      /add up to 1 retried, the engine says 0/,
    ],
    [
      'counts of the engine that do not add up',
      row,
      { ...stats, dropped: 0 },
      /4 enqueued, but 3 delivered \+ 0 dropped/,
    ],
    ['what is left after the stop', row, { ...stats, delivered: 2, pending: 1 }, /1 deliveries are pending/],
  ])('does not hold with %s', (_, one, engine, message) => {
    expect(imbalances([one], { work: engine }).join('\n')).toMatch(message);
  });
});
