import type { Event, EventHandler, HandlerContext, SubscribeOptions, Subscription } from '@polybus/core';
import { deadLetterOf } from '@polybus/core';
import { describe } from 'vitest';
import { describeBroken, of } from './broken-engine.ts';
import { WrappedEngine, WrappedHandlers } from './wrapped-engine.ts';

type Subscribe = [topic: string, handler: EventHandler<never>, options?: SubscribeOptions];

/** An event with some fields changed. */
function changed(event: Event<never>, fields: Partial<Event>): Event<never> {
  return Object.assign(Object.create(event) as object, fields) as Event<never>;
}

/** What an engine can do wrong where handlers fail. */
describe('the suite finds an engine that recovers wrongly:', () => {
  describeBroken([
    {
      wrong: 'an event has a new id at each attempt',
      foundBy: 'attempts are numbered from 1 and get the',
      because: '4 !== 1',
      engine: of(
        class extends WrappedHandlers {
          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event: Event<never>, context) =>
              handler(changed(event, { id: `${event.id}-${context.attempt}` }), context);
          }
        },
      ),
    },
    {
      wrong: 'every attempt has the number 1',
      foundBy: 'every event is handled after two failed attempts',
      because: 'each once; missing: 0, 1, 2, 3',
      engine: of(
        class extends WrappedHandlers {
          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event, { signal, subscription, engine }: HandlerContext) =>
              handler(event, { signal, subscription, engine, attempt: 1 });
          }
        },
      ),
    },
    {
      wrong: 'there is one attempt more than `retry` allows',
      foundBy: 'an event gets the number of attempts that',
      because: 'to get the attempts 1, 2, 3 in this order (3 in all), got 1, 2, 3, 4',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            const retry = typeof options?.retry === 'object' ? options.retry : {};
            return { ...options, retry: { ...retry, attempts: (retry.attempts ?? 1) + 1 } };
          }
        },
      ),
    },
    {
      wrong: 'an UnrecoverableError is retried',
      foundBy: 'an event whose handler throws UnrecoverableError gets one',
      because:
        'expected the handler that throws an UnrecoverableError to be called 1 time(s), and it was called 5 time(s)',
      engine: of(
        class extends WrappedHandlers {
          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return async (event, context) => {
              try {
                await handler(event, context);
              } catch (error) {
                throw new Error('wrapped', { cause: error });
              }
            };
          }
        },
      ),
    },
    {
      wrong: '`shouldRetry` is not called',
      foundBy: '`shouldRetry` gets the error, and returning false ends',
      because: 'expected the handler to be called 3 time(s), and it was called 10 time(s)',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            const retry = typeof options?.retry === 'object' ? options.retry : {};
            return { ...options, retry: { ...retry, shouldRetry: undefined } };
          }
        },
      ),
    },
    {
      wrong: 'retries have no delay',
      foundBy: 'the delay between attempts grows as `backoff` specifies',
      // Which one depends on the machine: a busy one is late by itself.
      because: 'gap ',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            const retry = typeof options?.retry === 'object' ? options.retry : {};
            return { ...options, retry: { ...retry, backoff: { initialMs: 0, maxMs: 0 } } };
          }
        },
      ),
    },
    {
      wrong: 'errors of handlers are swallowed, without a dead letter',
      foundBy: 'a dead letter goes to _dead.<topic> with its',
      because: 'it was called 0 time(s)',
      engine: of(
        class extends WrappedHandlers {
          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return async (event, context) => {
              await Promise.resolve(handler(event, context)).catch(() => {});
            };
          }
        },
      ),
    },
    {
      wrong: 'a dead letter has no key',
      foundBy: 'a dead letter goes to _dead.<topic> with its',
      because: "undefined !== 'k'",
      engine: of(
        class extends WrappedHandlers {
          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event: Event<never>, context) =>
              handler(
                deadLetterOf(event) === undefined ? event : changed(event, { key: undefined }),
                context,
              );
          }
        },
      ),
    },
    {
      wrong: 'a dead letter is written although `deadLetter` is false',
      foundBy: 'with `deadLetter: false` no dead letter is written',
      because:
        'expected the subscription to dead letters to be called 0 time(s), and it was called 1 time(s)',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            return { ...options, deadLetter: true };
          }
        },
      ),
    },
    {
      wrong: 'dead letters go to the default topic, whatever `deadLetter` specifies',
      foundBy: 'a dead letter goes to the topic that',
      because: 'it was called 0 time(s)',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            return {
              ...options,
              deadLetter: typeof options?.deadLetter === 'string' ? true : options?.deadLetter,
            };
          }
        },
      ),
    },
    {
      wrong: 'it waits for a hanging handler',
      foundBy: 'a handler that exceeds its timeout fails, its',
      because: 'it was called 1 time(s), of which 0 ended',
      engine: of(
        class extends WrappedHandlers {
          override options(options?: SubscribeOptions): SubscribeOptions {
            return { ...options, handlerTimeoutMs: undefined };
          }
        },
      ),
    },
    {
      wrong: 'the signal does not abort at the timeout',
      foundBy: 'a handler that exceeds its timeout fails, its',
      because: 'false !== true',
      engine: of(
        class extends WrappedHandlers {
          override wrap(handler: EventHandler<never>): EventHandler<never> {
            return (event, { attempt, subscription, engine }: HandlerContext) =>
              handler(event, { attempt, subscription, engine, signal: new AbortController().signal });
          }
        },
      ),
    },
    {
      wrong: 'a subscription ends after its first failure',
      foundBy: 'a subscription continues with the next event after',
      because: 'it was called 1 time(s)',
      engine: of(
        class extends WrappedEngine {
          override subscribe(...[topic, handler, options]: Subscribe): Promise<Subscription> {
            const once: EventHandler<never> = async (event, context) => {
              try {
                await handler(event, context);
              } catch (error) {
                void context.subscription.cancel();
                throw error;
              }
            };
            return this.inner.subscribe(topic, once, options);
          }
        },
      ),
    },
  ]);
});
