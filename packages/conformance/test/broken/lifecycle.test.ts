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
describe('the suite finds an engine with a wrong lifecycle:', () => {
  describeBroken([
    {
      wrong: 'stop hangs',
      foundBy: 'start() and stop() are idempotent, called in sequence',
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
      wrong: 'a subscribe that overlaps stop rejects with a connection error',
      foundBy: 'a subscribe() call that overlaps stop() resolves or',
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
      foundBy: 'start() and stop() are idempotent, called in sequence',
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
      wrong: 'stop loses accepted events',
      foundBy: 'stop() of an engine that is not durable handles',
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
      foundBy: 'stop() waits for running handlers',
      because: 'stop resolved while handlers were running',
      engine: of(
        class extends WrappedEngine {
          override async stop(): Promise<void> {
            void this.inner.stop();
          }
        },
      ),
    },
    {
      wrong: 'stop does not report that it gave up',
      foundBy: 'stop() gives up after its timeout: it aborts',
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
      foundBy: 'stop() called inside a handler waits for the',
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
      wrong: 'a stopped engine cannot be started again',
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
      because: 'to get "first life" in this order (1 in all), got "first life", "life 2"',
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
      wrong: 'publish resolves on an engine that was never started',
      foundBy: 'a new engine refuses to publish and subscribe',
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
      foundBy: 'publish() refuses a payload that JSON cannot represent',
      because: 'threw synchronously instead of rejecting',
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
      wrong: 'errors are not PolybusErrors',
      foundBy: 'publish() and subscribe() refuse an invalid topic, name',
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
      foundBy: 'a cancelled subscription gets no further events, and',
      because: 'the subscription that was cancelled to get 1 in this order (1 in all), got 1, 2',
      engine: of(
        class extends WrappedEngine {
          override async unsubscribe(): Promise<void> {}
        },
      ),
    },
    {
      wrong: 'unsubscribe does not wait for the running handler',
      foundBy: 'unsubscribe() waits for the running handler, and every',
      because: 'cancel resolved while its handler was running',
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
      foundBy: 'unsubscribe() and cancel() do the same and are',
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
      foundBy: 'aborting the signal passed to subscribe() cancels that',
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
      foundBy: 'a stopped engine leaves no listener on the',
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
      wrong: 'an unreferenced timer is left',
      foundBy: 'no timer, socket or other handle is left',
      because: 'Timeout',
      engine: of(
        class extends WrappedEngine {
          override start(options?: StartOptions): Promise<void> {
            // The handle is lost, so nothing can clear the timer. It ends by itself, long after its case.
            setTimeout(() => {}, 60_000).unref();
            return this.inner.start(options);
          }
        },
      ),
    },
    {
      wrong: 'its counters are wrong',
      foundBy: 'every sync and async subscription of a topic',
      because: 'expected the engine to count 60 delivered, got',
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
      wrong: 'queued events are not counted as pending',
      foundBy: '`pending` counts queued events and events in running',
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
      foundBy: 'capabilities are booleans that are frozen, never',
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
      wrong: 'health is up during a stall',
      foundBy: 'health() is degraded and names the topic while',
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
      foundBy: 'a long handler with nothing queued, or an',
      because: 'health() reports',
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
      wrong: 'topics() lists topics without subscriptions',
      foundBy: 'topics() lists the topics and patterns that have',
      because: 'expected topics() to list ',
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
      wrong: 'an option outside its range is clamped',
      foundBy: 'subscribe() refuses an option value outside its range',
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
