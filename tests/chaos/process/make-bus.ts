import { type LifecycleEvent, type Logger, type TypedEventBus, createEventBus } from '@polybus/core';
import { now } from '../ledger/clock.ts';
import type { LedgerWriter } from '../ledger/ledger-file.ts';
import { makeEngine } from './make-engine.ts';
import type { Settings } from './settings.ts';

export type Bus = TypedEventBus<Record<string, unknown>>;

/** The names under which a process writes about its subscriptions, by their ids. */
export type SubscriptionNames = Map<string, string>;

/** Creates the bus of a process. What the engine reports as given up or missed goes to the ledger. */
export async function makeBus(
  settings: Settings,
  ledger: LedgerWriter,
  names: SubscriptionNames,
): Promise<Bus> {
  return createEventBus({
    engines: [{ name: settings.engine, engine: await makeEngine(settings) }],
    observers: [(event) => note(event, ledger, names)],
    logger,
  });
}

/** With times, to compare a log with a ledger. */
const logger: Logger = {
  debug: (message, fields) => console.debug(now().toFixed(0), 'debug', message, fields),
  warn: (message, fields) => console.warn(now().toFixed(0), 'warn', message, fields),
  error: (message, fields) => console.error(now().toFixed(0), 'error', message, fields),
};

function note({ type, data }: LifecycleEvent, ledger: LedgerWriter, names: SubscriptionNames): void {
  if (type !== 'com.modular.eventbus.message.failed') return;
  const { outcome, eventId, subscription, since, until } = data as Readonly<Record<string, string>>;
  if (outcome === 'missed') {
    // From the time of day to the clock of the ledgers.
    const shift = now() - Date.now();
    const [start, end] = [Date.parse(since!) + shift, Date.parse(until!) + shift];
    ledger.write({ is: 'gap', since: start, until: end });
    return;
  }
  // A retry is no end, and a failed publish has no subscription.
  if (outcome === 'retry' || outcome === undefined || eventId === undefined || subscription === undefined)
    return;
  const sub = names.get(subscription) ?? 'unknown';
  ledger.write({ is: 'given-up', sub, id: eventId, outcome });
}
