/** A process of a schedule: a producer, a consumer or an observer. Ends in order on SIGTERM, and at once if its runner is gone. */
import { setTimeout as delay } from 'node:timers/promises';
import { WallClock } from '../../../packages/conformance/src/support/wall-clock.ts';
import { now } from '../ledger/clock.ts';
import { LedgerWriter } from '../ledger/ledger-file.ts';
import { leaseMs } from '../schedule/engines.ts';
import { Handlers } from './handler.ts';
import { type Bus, makeBus } from './make-bus.ts';
import { Producer } from './producer.ts';
import type { Command, Settings } from './settings.ts';
import { Subscriber } from './subscriber.ts';

const settings = JSON.parse(process.argv[2]!) as Settings;
const publishes = settings.role === 'producer' || settings.role === 'all';
const subscribes = settings.role !== 'producer';
const stopMs = 10_000;
/** The pause before another attempt to start or to subscribe. */
const retryMs = 300;
/** From here on a process counts as frozen. */
const longGapMs = leaseMs / 3;

const ledger = new LedgerWriter(settings.folder, settings.name);
ledger.write({ is: 'process', role: settings.role });
const names = new Map<string, string>();
const handlers = new Handlers(ledger, names);
const subscriber = new Subscriber(settings, ledger, handlers, names);
const clock = new WallClock();
let producer: Producer | undefined;
let bus: Bus | undefined;
const ending = new AbortController();
/** Joining and leaving, one after the other. */
let membership = Promise.resolve();

noteGaps();
process.on('disconnect', () => process.exit(1));
process.on('message', (command: Command) => obey(command));
process.once('SIGTERM', () => void end());
await start();

/** Notes when this process did not run, whoever stopped it: a busy machine may be the cause, too. */
function noteGaps(): void {
  let last = now();
  setInterval(() => {
    const until = now();
    if (until - last > longGapMs) {
      ledger.write({ is: 'disturbed', how: 'frozen', process: settings.name, from: last, until });
    }
    last = until;
  }, 100);
}

/** Tries until the broker answers, as a process manager would. */
async function start(): Promise<void> {
  while (!ending.signal.aborted) {
    const created = await makeBus(settings, ledger, names);
    try {
      await created.start();
      if (subscribes) await subscriber.subscribe(created);
      bus = created;
      producer = new Producer(created, settings, ledger);
      if (publishes) producer.start();
      process.send!('ready');
      return;
    } catch (error) {
      ledger.write({ is: 'start-failed', code: String((error as { code?: string }).code) });
      subscriber.forget();
      await created.stop({ timeoutMs: 1000 }).catch(() => {});
      await delay(retryMs);
    }
  }
  process.exit(0);
}

async function end(): Promise<void> {
  ending.abort();
  // A start that is under way ends by itself.
  if (bus === undefined) return;
  await producer?.stop();
  await membership;
  subscriber.closing();
  try {
    await bus.stop({ timeoutMs: stopMs });
    ledger.write({ is: 'stopped', dropped: bus.stats().dropped });
    process.exit(0);
  } catch (error) {
    ledger.write({ is: 'stopped', dropped: bus.stats().dropped, error: String(error) });
    process.exit(2);
  }
}

function obey(command: Command): void {
  switch (command.do) {
    case 'handlers':
      handlers.setMood(command.mood, command.forMs);
      break;
    case 'stall':
      ledger.write({ is: 'stall' });
      for (const until = now() + command.forMs; now() < until;);
      ledger.write({ is: 'stall-end' });
      break;
    case 'clock':
      clock.set(command.byMs);
      break;
    case 'leave':
      membership = membership.then(() => leave(command.forMs));
      break;
    case 'quiet':
      void producer?.stop().then(() => process.send!('quiet'));
      break;
  }
}

/** Leaves, and comes back as soon as the broker permits it. */
async function leave(forMs: number): Promise<void> {
  if (bus === undefined) return;
  await subscriber.cancel();
  await delay(forMs);
  while (!ending.signal.aborted) {
    try {
      await subscriber.subscribe(bus);
      return;
    } catch (error) {
      ledger.write({ is: 'start-failed', code: String((error as { code?: string }).code) });
      await subscriber.cancel();
      await delay(retryMs);
    }
  }
}
