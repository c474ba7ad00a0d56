import type { DeliveryStats } from '@polybus/core';
import type { Row } from './ledger.ts';

const columns = ['published', 'enqueued', 'delivered', 'retried', 'deadLettered', 'dropped'] as const;

/** Returns the differences between the ledger and the statistics of the engines, once no publish is in progress. */
export function imbalances(rows: readonly Row[], stats: Readonly<Record<string, DeliveryStats>>): string[] {
  return [
    ...Object.entries(stats).flatMap(([engine, own]) => ofEngine(engine, own, rows)),
    ...rows.flatMap(ofTopic),
  ];
}

function ofEngine(engine: string, stats: DeliveryStats, rows: readonly Row[]): string[] {
  const wrong: string[] = [];
  const { enqueued, delivered, dropped, pending } = stats;
  if (enqueued !== delivered + dropped + pending) {
    wrong.push(
      `${engine}: ${enqueued} enqueued, but ${delivered} delivered + ${dropped} dropped + ${pending} pending`,
    );
  }
  if (pending !== 0) wrong.push(`${engine}: ${pending} deliveries are pending although the bus has stopped`);
  for (const column of columns) {
    const sum = rows.filter((row) => row.engine === engine).reduce((total, row) => total + row[column], 0);
    if (sum !== stats[column])
      wrong.push(`${engine}: the topics add up to ${sum} ${column}, the engine says ${stats[column]}`);
  }
  return wrong;
}

function ofTopic({ topic, enqueued, delivered, dropped }: Row): string[] {
  if (enqueued === delivered + dropped) return [];
  return [`${topic}: ${enqueued} deliveries were due, but ${delivered} delivered + ${dropped} dropped`];
}
