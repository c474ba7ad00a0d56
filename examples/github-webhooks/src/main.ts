import type { DeliveryStats } from '@polybus/core';
import { imbalances } from './balance.ts';
import { createGitHubBus } from './bus.ts';
import { subscribeConsumers } from './consumers.ts';
import { Ledger } from './ledger.ts';
import { publishAll } from './publisher.ts';
import { report } from './report.ts';
import { Screen, paint } from './screen.ts';
import { loadWebhooks } from './webhooks.ts';

const rounds = 12;
const isFull = process.argv.includes('--all');

const webhooks = loadWebhooks();
const ledger = new Ledger();
const screen = new Screen(() => status(bus.statsPerEngine()));
const bus = createGitHubBus(ledger, screen.show);
ledger.connect({
  engineFor: (topic) => bus.router.engineFor(topic),
  subscriberCount: (topic) => bus.subscriberCount(topic),
});

const begunAt = performance.now();
await bus.start();
await subscribeConsumers(bus, screen.show);
const topics = new Set(webhooks.map(({ topic }) => topic));
const what = `${webhooks.length} real GitHub webhooks on ${topics.size} topics, ${rounds} rounds over two engines`;
screen.line(`${paint('bold', 'polybus')}  ${what}\n`);
await publishAll(bus, webhooks, rounds);
await bus.stop();
screen.end();

const rows = ledger.rows();
const about: Readonly<Record<string, string>> = {
  work: 'durable-memory: waits rather than drops · 8 workers, buffers of 64, 4 attempts, dead letters',
  feed: 'memory: drops rather than waits · 4 workers, buffers of 8, 1 attempt',
};
for (const engine of bus.router.engineNames()) {
  const own = rows.filter((row) => row.engine === engine);
  console.log(`${report(engine, about[engine] ?? '', own, isFull)}\n`);
}
if (!isFull) console.log(paint('gray', 'npm run demo -- --all: a row for each topic'));
console.log(
  paint(
    'gray',
    'enqueued: one for each subscription that an event reaches; each ends as delivered or dropped',
  ),
);
console.log(paint('gray', 'latency: from publish to the end of the handler, retries and waiting included\n'));

const stats = bus.statsPerEngine();
const wrong = imbalances(rows, stats);
const mark = wrong.length === 0 ? paint('green', '✓') : paint('red', '✗');
for (const [engine, { enqueued, delivered, dropped, pending }] of Object.entries(stats)) {
  const sum = `${delivered} delivered + ${dropped} dropped + ${pending} pending`;
  console.log(`${mark} ${engine}: ${enqueued} enqueued = ${sum}`);
}
if (wrong.length === 0) {
  console.log(`${mark} every topic balances, and the topics add up to what the engines counted`);
} else {
  console.error(`The totals do not balance:\n  ${wrong.join('\n  ')}`);
  process.exitCode = 1;
}

/** One line for each engine. */
function status(perEngine: Readonly<Record<string, DeliveryStats>>): string[] {
  const seconds = `${((performance.now() - begunAt) / 1000).toFixed(1)}s`.padStart(6);
  return Object.entries(perEngine).map(([engine, counts], i) => {
    const parts = [`${counts.published} published`, `${counts.delivered} delivered`];
    if (counts.retried > 0) parts.push(`${counts.retried} retried`);
    if (counts.deadLettered > 0) parts.push(`${counts.deadLettered} dead-lettered`);
    if (counts.dropped > 0) parts.push(`${counts.dropped} dropped`);
    if (counts.pending > 0) parts.push(`${counts.pending} pending`);
    return `${paint('gray', i === 0 ? seconds : ' '.repeat(6))}  ${paint('bold', engine)}  ${parts.join(' · ')}`;
  });
}
