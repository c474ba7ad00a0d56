import {
  type DeliveryStats,
  type EngineHealth,
  type EventHandler,
  EventBusNotStartedError,
  type NewEvent,
  type StartOptions,
  type StopOptions,
  type SubscribeOptions,
  type Subscription,
} from '@polybus/core';
import type { Capabilities } from '@polybus/core/engine';
import { describe } from 'vitest';
import { describeBroken, of } from './broken-engine.ts';
import { WrappedEngine, WrappedHandlers } from './wrapped-engine.ts';

type Subscribe = [topic: string, handler: EventHandler<never>, options?: SubscribeOptions];

/** What an engine can do wrong at its beginning and end, in its counts and at its borders. */
describe('an engine with a wrong life does not pass:', () => {
  describeBroken([
    {
      wrong: 'stop hangs',
      foundBy: 'start and stop are idempotent',
      because: 'stop to resolve',
      engine: of(
        class extends WrappedEngine {
          override stop(): Promise<void> {
            return new Promise(() => {});
          }
        },
      ),
    },
    {
      wrong: 'a subscribe that stop overtakes fails for the connection',
      foundBy: 'a subscribe that stop overtakes resolves, or rejects',
      because: 'CONNECTION_FAILED',
      engine: of(
        class extends WrappedEngine {
          #isStopping = false;

          override async subscribe(...args: Subscribe): Promise<Subscription> {
            const subscription = await this.inner.subscribe(...args).catch(() => undefined);
            if (subscription !== undefined && !this.#isStopping) return subscription;
            throw Object.assign(new Error('the connection is closed'), { code: 'CONNECTION_FAILED' });
          }

          override stop(options?: StopOptions): Promise<void> {
            this.#isStopping = true;
            return this.inner.stop(options);
          }
        },
      ),
    },
    {
      wrong: 'a second stop rejects',
      foundBy: 'start and stop are idempotent',
      because: 'stopped already',
      engine: of(
        class extends WrappedEngine {
          override async stop(options?: StopOptions): Promise<void> {
            const { state } = await this.inner.health();
            if (state === 'stopped') throw new Error('stopped already');
            await this.inner.stop(options);
          }
        },
      ),
    },
    {
      wrong: 'stop loses what was accepted',
      foundBy: 'handles what was accepted before it',
      because: '!== 20',
      engine: of(
        class extends WrappedEngine {
          override async stop(): Promise<void> {
            await this.inner.stop({ signal: AbortSignal.abort() }).catch(() => {});
          }
        },
      ),
    },
    {
      wrong: 'stop does not wait for handlers',
      foundBy: 'waits for the handlers that run',
      because: 'stopped beside running handlers',
      engine: of(
        class extends WrappedEngine {
          override async stop(): Promise<void> {
            void this.inner.stop();
          }
        },
      ),
    },
    {
      wrong: 'stop keeps to itself that it gave up',
      foundBy: 'gives up when its time is over',
      because: 'should have rejected with SHUTDOWN_TIMEOUT',
      engine: of(
        class extends WrappedEngine {
          override async stop(options?: StopOptions): Promise<void> {
            await this.inner.stop(options).catch(() => {});
          }
        },
      ),
    },
    {
      wrong: 'stop waits for the handler that called it',
      foundBy: 'called from inside a handler',
      because: 'it was called 1 time(s), of which 0 ended',
      engine: of(
        class extends WrappedHandlers {
          #running = 0;

          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return async (event, context) => {
              this.#running++;
              try {
                await handler(event, context);
              } finally {
                this.#running--;
              }
            };
          }

          override async stop(options?: StopOptions): Promise<void> {
            while (this.#running > 0) await new Promise((resolve) => setTimeout(resolve, 5));
            await this.inner.stop(options);
          }
        },
      ),
    },
    {
      wrong: 'a stopped engine does not start again',
      foundBy: 'a stopped engine can be started again',
      because: 'once is enough',
      engine: of(
        class extends WrappedEngine {
          override async start(options?: StartOptions): Promise<void> {
            if ((await this.inner.health()).state === 'stopped') throw new Error('once is enough');
            await this.inner.start(options);
          }
        },
      ),
    },
    {
      wrong: 'a restarted engine still has its old subscriptions',
      foundBy: 'a stopped engine can be started again',
      because: "'life 2'",
      engine: of(
        class extends WrappedEngine {
          readonly #old: Subscribe[] = [];

          override async start(options?: StartOptions): Promise<void> {
            await this.inner.start(options);
            for (const args of this.#old) await this.inner.subscribe(...args);
          }

          override subscribe(...args: Subscribe): Promise<Subscription> {
            this.#old.push(args);
            return this.inner.subscribe(...args);
          }
        },
      ),
    },
    {
      wrong: 'publishing on an engine that was never started resolves',
      foundBy: 'an engine that was never started',
      because: 'should have rejected with EVENT_BUS_NOT_STARTED',
      engine: of(
        class extends WrappedEngine {
          override async publish<T>(event: NewEvent<T>): Promise<void> {
            await this.inner.publish(event).catch((error: unknown) => {
              if (!(error instanceof EventBusNotStartedError)) throw error;
            });
          }
        },
      ),
    },
    {
      wrong: 'publish throws instead of rejecting',
      foundBy: 'a payload that JSON cannot carry is refused',
      because: 'threw at the caller instead of rejecting',
      engine: of(
        class extends WrappedEngine {
          override publish<T>(event: NewEvent<T>): Promise<void> {
            JSON.stringify(event.payload);
            return this.inner.publish(event);
          }
        },
      ),
    },
    {
      wrong: 'errors are no PolybusErrors',
      foundBy: 'what is no topic is refused',
      because: 'expected a PolybusError with code INVALID_TOPIC',
      engine: of(
        class extends WrappedEngine {
          override async publish<T>(event: NewEvent<T>): Promise<void> {
            await this.inner.publish(event).catch((cause: unknown) => {
              throw new Error('failed', { cause });
            });
          }
        },
      ),
    },
    {
      wrong: 'unsubscribe does nothing',
      foundBy: 'a cancelled subscription gets nothing more',
      because: 'strictly deep-equal',
      engine: of(
        class extends WrappedEngine {
          override async unsubscribe(): Promise<void> {}
        },
      ),
    },
    {
      wrong: 'unsubscribe does not wait for the handler that runs',
      foundBy: 'unsubscribe waits for the handler that runs',
      because: 'cancelled beside its running handler',
      engine: of(
        class extends WrappedEngine {
          override async subscribe(...args: Subscribe): Promise<Subscription> {
            const subscription = await this.inner.subscribe(...args);
            const cancel = async (): Promise<void> => void subscription.cancel();
            return Object.assign(Object.create(subscription) as Subscription, { cancel });
          }
        },
      ),
    },
    {
      wrong: 'a second unsubscribe rejects',
      foundBy: 'unsubscribe and cancel are the same, and idempotent',
      because: 'unsubscribed already',
      engine: of(
        class extends WrappedEngine {
          readonly #ended = new WeakSet<Subscription>();

          override async unsubscribe(subscription: Subscription): Promise<void> {
            if (this.#ended.has(subscription)) throw new Error('unsubscribed already');
            this.#ended.add(subscription);
            await this.inner.unsubscribe(subscription);
          }
        },
      ),
    },
    {
      wrong: 'aborting the signal of a subscription does nothing',
      foundBy: 'aborting the signal given to subscribe',
      because: 'the subscription to be gone',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            return { ...options, signal: undefined };
          }
        },
      ),
    },
    {
      wrong: 'a listener stays on the signals of callers',
      foundBy: 'the signals that callers gave hold no listener',
      because: '1 !== 0',
      engine: of(
        class extends WrappedEngine {
          override start(options?: StartOptions): Promise<void> {
            options?.signal?.addEventListener('abort', () => void this.inner.stop());
            return this.inner.start(options);
          }
        },
      ),
    },
    {
      wrong: 'a timer is left behind that keeps no process alive',
      foundBy: 'after stop no timer, socket or other handle is left',
      because: 'Timeout',
      engine: of(
        class extends WrappedEngine {
          override start(options?: StartOptions): Promise<void> {
            // Its handle is gone: nobody can ever clear it. It ends by itself, long after its case.
            setTimeout(() => {}, 60_000).unref();
            return this.inner.start(options);
          }
        },
      ),
    },
    {
      wrong: 'it miscounts',
      foundBy: 'each subscription of a topic gets each event',
      because: 'delivered: 59',
      engine: of(
        class extends WrappedEngine {
          override stats(): DeliveryStats {
            const stats = this.inner.stats();
            return { ...stats, delivered: Math.max(0, stats.delivered - 1) };
          }
        },
      ),
    },
    {
      wrong: 'what waits is not counted as pending',
      foundBy: 'pending counts what waits and what runs',
      because: '10 pending',
      engine: of(
        class extends WrappedEngine {
          override stats(): DeliveryStats {
            const stats = this.inner.stats();
            return { ...stats, enqueued: stats.enqueued - stats.pending, pending: 0 };
          }
        },
      ),
    },
    {
      wrong: 'capabilities can be changed',
      foundBy: 'capabilities are five booleans, frozen',
      because: 'falsy',
      engine: of(
        class extends WrappedEngine {
          override get capabilities(): Capabilities {
            return { ...this.inner.capabilities };
          }
        },
      ),
    },
    {
      wrong: 'health is always up',
      foundBy: 'a stopped engine refuses to publish and subscribe',
      because: "'up' !== 'down'",
      engine: of(
        class extends WrappedEngine {
          override async health(): Promise<EngineHealth> {
            return { status: 'up', state: 'started' };
          }
        },
      ),
    },
    {
      wrong: 'health is up while something stands still',
      foundBy: 'a handler that hangs with events behind it makes health degraded',
      because: 'health to be degraded',
      engine: of(
        class extends WrappedEngine {
          override async health(): Promise<EngineHealth> {
            const { state } = await this.inner.health();
            return { status: state === 'started' ? 'up' : 'down', state };
          }
        },
      ),
    },
    {
      wrong: 'health is degraded whenever a handler runs or an event waits for its retry',
      foundBy: 'a long handler with nothing behind it',
      because: 'health tells of',
      engine: of(
        class extends WrappedEngine {
          override async health(): Promise<EngineHealth> {
            const isBusy = this.inner.stats().pending > 0;
            return isBusy
              ? { status: 'degraded', state: 'started', error: this.inner.topics().join() }
              : this.inner.health();
          }
        },
      ),
    },
    {
      wrong: 'topics() lists what nobody subscribes to any more',
      foundBy: 'topics() lists what has a subscriber',
      because: 'strictly deep-equal',
      engine: of(
        class extends WrappedEngine {
          readonly #topics = new Set<string>();

          override subscribe(...args: Subscribe): Promise<Subscription> {
            this.#topics.add(args[0]);
            return this.inner.subscribe(...args);
          }

          override topics(): string[] {
            return [...this.#topics];
          }
        },
      ),
    },
    {
      wrong: 'an option outside its range is put into its range',
      foundBy: 'options of a subscription outside their range',
      because: 'should have rejected with INVALID_OPTION',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions | undefined {
            const { concurrency, ...rest } = options ?? {};
            return { ...rest, ...(concurrency === undefined || concurrency < 1 ? {} : { concurrency }) };
          }
        },
      ),
    },
  ]);
});
