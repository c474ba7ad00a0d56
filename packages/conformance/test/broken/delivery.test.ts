import { AsyncResource } from 'node:async_hooks';
import type {
  Event,
  EventHandler,
  NewEvent,
  PublishOptions,
  SubscribeOptions,
  Subscription,
} from '@polybus/core';
import type { Capabilities } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { describe } from 'vitest';
import { turns } from '../../src/support/eventually.ts';
import { describeBroken, of } from './broken-engine.ts';
import { WrappedEngine, WrappedHandlers } from './wrapped-engine.ts';

type Subscribe = [topic: string, handler: EventHandler<never>, options?: SubscribeOptions];

/** The subscription with some of its functions replaced. */
function withFlow(subscription: Subscription, replaced: Partial<Subscription>): Subscription {
  let isPaused = false;
  return {
    id: subscription.id,
    topic: subscription.topic,
    isAsync: subscription.isAsync,
    engine: subscription.engine,
    get isPaused() {
      return isPaused;
    },
    pause: () => {
      isPaused = true;
      (replaced.pause ?? (() => subscription.pause()))();
    },
    resume: () => {
      isPaused = false;
      subscription.resume();
    },
    setConcurrency: replaced.setConcurrency ?? ((count) => subscription.setConcurrency(count)),
    cancel: () => subscription.cancel(),
    [Symbol.asyncDispose]: () => subscription.cancel(),
  };
}

/** What an engine can do wrong between publish and handler. */
describe('the suite finds an engine that delivers wrongly:', () => {
  describeBroken([
    {
      wrong: 'it ignores unknown options',
      foundBy: 'an unknown option or event field is refused',
      because: 'resolved, but should have rejected with UNKNOWN_OPTION',
      engine: of(
        class extends WrappedHandlers {
          override options(options: SubscribeOptions = {}): SubscribeOptions {
            const { group, tenant, concurrency, from, retry, deadLetter, handlerTimeoutMs, bufferSize } =
              options;
            return { group, tenant, concurrency, from, retry, deadLetter, handlerTimeoutMs, bufferSize };
          }
        },
      ),
    },
    {
      wrong: 'it ignores the tenant',
      foundBy: 'a subscription of a tenant gets and counts',
      because:
        'expected the subscription of tenant a to get 0, 5, 10, 15, each once; missing: nothing; too many: 1, 2',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            return this.inner.subscribe(topic, handler, { ...options, tenant: undefined });
          }
        },
      ),
    },
    {
      wrong: 'it filters by tenant in the handler, in a group that tenants share',
      foundBy: 'each tenant has its own groups: a member',
      because: '20',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            const { tenant, ...rest } = options ?? {};
            const filtered: EventHandler = (event, context) =>
              tenant === undefined || event.metadata['tenant'] === tenant
                ? handler(event as never, context)
                : undefined;
            return this.inner.subscribe(topic, filtered, rest);
          }
        },
      ),
    },
    {
      wrong: 'it keeps its topics in an object with a prototype',
      foundBy: 'a topic named like a member of Object.prototype',
      because: 'each event; 0,0,0,0,0,0 of 1,1,1,1,4,4 arrived',
      engine: of(
        class extends WrappedEngine {
          readonly #known: Record<string, string> = {};

          override publish<T>(event: NewEvent<T>, options?: PublishOptions): Promise<void> {
            const known = this.#known[event.topic];
            if (known !== undefined && known !== event.topic) return Promise.resolve();
            this.#known[event.topic] = event.topic;
            return this.inner.publish(event, options);
          }
        },
      ),
    },
    {
      wrong: 'it handles events outside of the context in which core calls handlers',
      foundBy: 'an event that a handler publishes carries its correlation',
      because: 'causationid',
      engine: of(
        class extends WrappedHandlers {
          readonly #outside = new AsyncResource('outside');

          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event, context) => this.#outside.runInAsyncScope(() => handler(event, context));
          }
        },
      ),
    },
    {
      wrong: 'it copies metadata by assignment',
      foundBy: 'fields named like members of Object.prototype arrive',
      because: '+ \'{"constructor"',
      engine: of(
        class extends WrappedHandlers {
          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event: Event<never>, context) => {
              const metadata: Record<string, unknown> = {};
              for (const [name, value] of Object.entries(event.metadata)) metadata[name] = value;
              return handler({ ...event, metadata } as Event<never>, context);
            };
          }
        },
      ),
    },
    {
      wrong: '"*" does not match',
      foundBy: 'a subscription to "*" gets each matching event',
      because: '.user',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            return this.inner.subscribe(topic === '*' ? 'nothing' : topic, handler, options);
          }
        },
      ),
    },
    {
      wrong: '"user.*" matches as a prefix without its dot',
      foundBy: 'a subscription to "user.*" gets each matching event',
      because: '.users',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            return this.inner.subscribe(topic.replace(/\.\*$/, '*'), handler, options);
          }
        },
      ),
    },
    {
      wrong: '"*" matches dead letters',
      foundBy: 'a "*" subscription never gets dead letters, so',
      because: '_dead.',
      engine: of(
        class extends WrappedEngine {
          override async subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            if (topic === '*') await this.inner.subscribe('_*', handler, options);
            return this.inner.subscribe(topic, handler, options);
          }
        },
      ),
    },
    {
      wrong: 'subscribe resolves too early',
      foundBy: 'an event published right after subscribe() resolves arrives',
      because: '2 call(s) of the handler to end; it was called 0',
      engine: of(
        class extends WrappedEngine {
          override async subscribe(...args: Subscribe): Promise<Subscription> {
            const real = turns(2).then(() => this.inner.subscribe(...args));
            const cancel = async (): Promise<void> => (await real).cancel();
            return {
              id: 'early',
              topic: args[0],
              isAsync: false,
              engine: 'x',
              isPaused: false,
              pause: () => {},
              resume: () => {},
              setConcurrency: () => {},
              cancel,
              [Symbol.asyncDispose]: cancel,
            };
          }
        },
      ),
    },
    {
      wrong: 'a pause is only noted',
      foundBy: 'a paused subscription starts no handler until resume',
      because: 'nine events to wait',
      engine: of(
        class extends WrappedEngine {
          override async subscribeAsync(...args: Subscribe): Promise<Subscription> {
            return withFlow(await this.inner.subscribeAsync(...args), { pause: () => {} });
          }
        },
      ),
    },
    {
      wrong: 'the concurrency stays as it was',
      foundBy: 'setConcurrency() changes how many handlers',
      because: '3 call(s) of the handler; it was called 1',
      engine: of(
        class extends WrappedEngine {
          override async subscribeAsync(...args: Subscribe): Promise<Subscription> {
            return withFlow(await this.inner.subscribeAsync(...args), { setConcurrency: () => {} });
          }
        },
      ),
    },
    {
      wrong: 'a retry goes to the end of the queue',
      foundBy: 'on a sync subscription, no later event of',
      because: 'to get "0.1", "0.2", "0.3", "1.1", "2.1" in this order (5 in all), got "0.1", "1.1"',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            const tries = new Map<string, number>();
            const again: EventHandler<never> = async (event, { signal, subscription, engine }) => {
              const attempt = (tries.get(event.id) ?? 0) + 1;
              tries.set(event.id, attempt);
              try {
                await handler(event, { signal, subscription, engine, attempt });
              } catch {
                void this.inner.publish(event);
              }
            };
            return this.inner.subscribe(topic, again, { ...options, retry: false });
          }
        },
      ),
    },
    {
      wrong: 'order per key is lost with several handlers',
      foundBy: 'an async subscription handles the events of a',
      because: 'one at a time and in order, but 2 of "key-0" began while 1 was handled',
      engine: of(
        class extends WrappedHandlers {
          override publish<T>(event: NewEvent<T>, options?: PublishOptions): Promise<void> {
            const { key, ...rest } = event;
            return this.inner.publish({ ...rest, metadata: { ...event.metadata, key } }, options);
          }

          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event: Event<never>, context) =>
              handler(Object.assign(event, { key: event.metadata['key'] }), context);
          }
        },
      ),
    },
    {
      wrong: 'a sync subscription handles two events at once',
      foundBy: 'a sync subscription handles one event at a time',
      because: 'expected the handler to handle up to 1 event(s) at once, and it handled up to 2',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            return this.inner.subscribeAsync(topic, handler, { ...options, concurrency: 2 });
          }
        },
      ),
    },
    {
      wrong: 'an async subscription handles one event at a time',
      foundBy: 'an async subscription handles up to `concurrency` events',
      because: 'three handlers to run at once',
      engine: of(
        class extends WrappedEngine {
          override subscribeAsync(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            return this.inner.subscribeAsync(topic, handler, { ...options, concurrency: 1 });
          }
        },
      ),
    },
    {
      wrong: 'publish resolves before sync handlers have finished',
      foundBy: 'publish() resolves after every sync handler has finished',
      because: '0 !== 2',
      engine: of(
        class extends WrappedEngine {
          override async publish<T>(event: NewEvent<T>): Promise<void> {
            void this.inner.publish(event);
          }
        },
      ),
    },
    {
      wrong: 'publish waits for async handlers',
      foundBy: 'publish() never waits for an async handler',
      because: 'to resolve',
      engine: of(
        class extends WrappedEngine {
          override subscribeAsync(...args: Subscribe): Promise<Subscription> {
            return this.inner.subscribe(...args);
          }
        },
      ),
    },
    {
      wrong: 'publish rejects because a handler threw',
      foundBy: 'publish() resolves, and other subscriptions get the event',
      because: 'nothing',
      engine: of(
        class extends WrappedHandlers {
          #thrown: unknown;

          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return async (event, context) => {
              try {
                await handler(event, context);
              } catch (error) {
                this.#thrown = error ?? new Error('nothing');
                throw error;
              }
            };
          }

          override async publish<T>(event: NewEvent<T>): Promise<void> {
            await this.inner.publish(event);
            if (this.#thrown !== undefined) throw this.#thrown;
          }
        },
      ),
    },
    {
      wrong: 'a nested publish waits for the publish around it',
      foundBy: 'a sync handler can publish to its own',
      because: 'to resolve',
      engine: of(
        class extends WrappedEngine {
          #last = Promise.resolve();

          override publish<T>(event: NewEvent<T>): Promise<void> {
            return (this.#last = this.#last.then(() => this.inner.publish(event)));
          }
        },
      ),
    },
    {
      wrong: 'an event published by the first handler overtakes its own cause at the second',
      foundBy: 'every sync subscription gets an event before the',
      because: 'expected every subscription to get "e1", "e2" in this order (2 in all), got "e2", "e1"',
      engine: of(
        class extends WrappedEngine {
          readonly #handlers: EventHandler<never>[] = [];

          override async subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            this.#handlers.push(handler);
            const one: EventHandler<never> = async (event, context) => {
              for (const each of this.#handlers) await each(event, context);
            };
            // As a loop over handlers does it: one after the other, a nested publish in between.
            if (this.#handlers.length > 1) return this.inner.subscribe('nothing', handler, options);
            return this.inner.subscribe(
              topic,
              (event, context) => void one(event as never, context),
              options,
            );
          }
        },
      ),
    },
    {
      wrong: 'an event is delivered twice in a group',
      foundBy: 'members of a group share events: each event',
      because: 'each once; missing: nothing; too many: 0, 1, 2',
      engine: of(
        class extends WrappedEngine {
          override async subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            return this.inner.subscribe(topic, handler, { ...options, group: undefined });
          }
        },
      ),
    },
    {
      wrong: 'a group takes events from subscriptions without a group',
      foundBy: 'every group gets every event, and so does',
      because: '200 events, not 150',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            return { ...options, group: options?.group ?? 'everybody' };
          }
        },
      ),
    },
    {
      wrong: 'events queued for a leaving member are lost',
      foundBy: 'events queued for a leaving member go to',
      because: 'it was called 0 time(s)',
      engine: of(
        class extends WrappedEngine {
          #members = 0;

          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            const group = options?.group === undefined ? undefined : `${options.group}-${this.#members++}`;
            return this.inner.subscribe(topic, handler, { ...options, group });
          }
        },
      ),
    },
    {
      wrong: 'the metadata of an event is changed',
      foundBy: 'any JSON object arrives unchanged as metadata',
      because: 'strictly equal',
      engine: of(
        class extends WrappedEngine {
          override publish<T>(event: NewEvent<T>, options?: PublishOptions): Promise<void> {
            const flat = Object.entries(event.metadata ?? {}).map(([name, value]) => [
              name,
              JSON.stringify(value),
            ]);
            return this.inner.publish({ ...event, metadata: Object.fromEntries(flat) }, options);
          }
        },
      ),
    },
    {
      wrong: 'bytes are converted to JSON',
      foundBy: 'every JSON payload arrives as its JSON value',
      because: 'the payload "bytes" arrived as something else',
      engine: of(
        class extends WrappedEngine {
          override publish<T>(event: NewEvent<T>): Promise<void> {
            const text = JSON.stringify(event.payload) as string | undefined;
            const payload: unknown = text === undefined ? undefined : JSON.parse(text);
            return this.inner.publish({ ...event, payload });
          }
        },
      ),
    },
    {
      wrong: 'handlers share an event that they can change',
      foundBy: 'a handler that assigns to fields of an',
      because: "'changed'",
      engine: of(
        class extends WrappedHandlers {
          readonly #events = new Map<string, Event<never>>();

          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event: Event<never>, context) => {
              const shared = this.#events.get(event.id) ?? event;
              this.#events.set(event.id, shared);
              return handler(shared, context);
            };
          }
        },
      ),
    },
    {
      wrong: 'a replay omits events that an earlier replay delivered',
      foundBy: 'each new subscription from earliest gets every kept',
      because: 'it was called 0 time(s)',
      engine: of(
        class extends WrappedHandlers {
          readonly #shown = new Set<string>();

          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event, context) => {
              if (this.#shown.has(event.id)) return undefined;
              this.#shown.add(event.id);
              return handler(event, context);
            };
          }
        },
      ),
    },
    ...['a subscription', 'a group'].map((who) => ({
      wrong: `${who} from a date in the future waits for that date`,
      foundBy: `${who} from a Date in the future`,
      because: '1 call(s) of the handler to end; it was called 0',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            const from = options?.from;
            const late: EventHandler<never> = (event: Event<never>, context) =>
              from instanceof Date && event.createdAt < from ? undefined : handler(event, context);
            return this.inner.subscribe(topic, late, options);
          }
        },
      ),
    })),
    {
      wrong: '`from` is ignored',
      foundBy: 'a subscription from earliest gets every kept event',
      because: 'it was called 20 time(s)',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            return { ...options, from: 'latest' };
          }
        },
      ),
    },
    {
      wrong: 'an option is accepted although the engine lacks its capability',
      foundBy: 'an engine without the capability `replay` refuses the',
      because: 'should have rejected with UNSUPPORTED_CAPABILITY',
      intact: () => memoryEngine({ historySize: 0 }),
      engine: of(
        class extends WrappedEngine {
          override get capabilities(): Capabilities {
            return Object.freeze({ ...this.inner.capabilities, replay: false });
          }
        },
      ),
    },
  ]);
});
