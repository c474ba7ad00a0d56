import type { Subscription } from '@polybus/core';
import type { LedgerWriter } from '../ledger/ledger-file.ts';
import { durableEngines } from '../schedule/engines.ts';
import type { Handlers } from './handler.ts';
import type { Bus, SubscriptionNames } from './make-bus.ts';
import type { Settings } from './settings.ts';

const group = { group: 'workers', from: 'earliest', concurrency: 4 } as const;

/** The subscriptions of a process. */
export class Subscriber {
  readonly #settings: Settings;
  readonly #ledger: LedgerWriter;
  readonly #handlers: Handlers;
  readonly #names: SubscriptionNames;
  #open: { sub: string; subscription: Subscription }[] = [];
  #count = 0;

  constructor(settings: Settings, ledger: LedgerWriter, handlers: Handlers, names: SubscriptionNames) {
    this.#settings = settings;
    this.#ledger = ledger;
    this.#handlers = handlers;
    this.#names = names;
  }

  async subscribe(bus: Bus): Promise<void> {
    const { role, engine } = this.#settings;
    if (role === 'observer') return this.#toAll(bus, 'observer', {});
    if (durableEngines.includes(engine)) return this.#toAll(bus, 'group', group);
    if (role === 'consumer') return this.#toAll(bus, `every-${this.#count++}`, {});
    // Of an engine within one process: each kind of subscription.
    await this.#toAll(bus, 'sync', undefined);
    await this.#toAll(bus, 'async', { concurrency: 4 });
    for (const _ of ['first member', 'second member']) await this.#toAll(bus, 'group', group);
  }

  /** Writes that the subscriptions end; `bus.stop` ends them too. */
  closing(): void {
    for (const sub of new Set(this.#open.map((one) => one.sub))) this.#ledger.write({ is: 'closing', sub });
  }

  async cancel(): Promise<void> {
    this.closing();
    const open = this.#open;
    this.#open = [];
    await Promise.all(open.map(({ subscription }) => subscription.cancel()));
  }

  /** Their bus has ended. */
  forget(): void {
    this.#open = [];
  }

  /** Subscribes to each topic, or to a pattern; without options, a sync subscription. */
  async #toAll(bus: Bus, sub: string, options: object | undefined): Promise<void> {
    const { topics, byPattern } = this.#settings;
    const pattern = `${topics[0]!.slice(0, topics[0]!.lastIndexOf('.'))}.*`;
    for (const topic of byPattern ? [pattern] : topics) {
      const handler = this.#handlers.for(sub);
      const subscription = await (options === undefined
        ? bus.subscribe(topic, handler)
        : bus.subscribeAsync(topic, handler, options));
      this.#names.set(subscription.id, sub);
      this.#open.push({ sub, subscription });
    }
    this.#ledger.write({ is: 'subscribed', sub });
  }
}
