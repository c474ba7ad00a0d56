import { type NewEvent, type PublishOptions, UnsupportedCapabilityError } from '@polybus/core';
import type { Capabilities } from '@polybus/core/engine';
import { describe } from 'vitest';
import { describeBroken, of } from './broken-engine.ts';
import { WrappedEngine } from './wrapped-engine.ts';

/** An engine whose delayed publishes are changed. */
abstract class WrongDelays extends WrappedEngine {
  abstract delayed(event: NewEvent, options: PublishOptions): Promise<void>;

  override publish<T>(event: NewEvent<T>, options: PublishOptions = {}): Promise<void> {
    const { delayMs, at } = options;
    const isValid = (typeof delayMs === 'number' && delayMs > 0) || at instanceof Date;
    return isValid ? this.delayed(event, options) : this.inner.publish(event, options);
  }
}

/** An engine that publishes one of the delayed events twice. */
class TwicePublished extends WrongDelays {
  override async delayed(event: NewEvent, options: PublishOptions): Promise<void> {
    await this.inner.publish(event, options);
    if (event.payload === 7) await this.inner.publish(event, options);
  }
}

/** How long a publish is delayed, in milliseconds. */
const delayOf = ({ delayMs, at }: PublishOptions): number => delayMs ?? at!.getTime() - Date.now();

/** An engine that delays each event by less than it should. */
class EarlyDelays extends WrongDelays {
  override delayed(event: NewEvent, options: PublishOptions): Promise<void> {
    return this.inner.publish(event, { delayMs: delayOf(options) * 0.8 });
  }
}

/** What an engine can do wrong with delayed events. */
describe('the suite finds an engine that delays events wrongly:', () => {
  describeBroken([
    {
      wrong: 'a delayed event arrives early',
      foundBy: 'a delayed event arrives when its `delayMs` is over',
      because: 'no event arrives before its time',
      engine: of(EarlyDelays),
    },
    {
      wrong: 'an event with `at` arrives early',
      foundBy: 'a delayed event arrives at the time of `at`',
      because: 'ms before its time',
      engine: of(EarlyDelays),
    },
    {
      wrong: 'a delayed event gets another id',
      foundBy: 'a delayed event arrives when its `delayMs` is over',
      because: 'Expected values to be strictly deep-equal',
      engine: of(
        class extends WrongDelays {
          override delayed({ id: _, ...event }: NewEvent, options: PublishOptions): Promise<void> {
            return this.inner.publish(event, options);
          }
        },
      ),
    },
    {
      wrong: 'an event whose time has passed waits nevertheless',
      foundBy: 'an event with `delayMs: 0` or with an `at` in the past',
      because: 'expected the handler to get 0, 1, 2',
      engine: of(
        class extends WrongDelays {
          override delayed(event: NewEvent, options: PublishOptions): Promise<void> {
            return this.inner.publish(event, { delayMs: Math.max(50, delayOf(options)) });
          }
        },
      ),
    },
    {
      wrong: 'an event waits until the delays of all earlier events are over',
      foundBy: 'an event with a short delay arrives although 100',
      because: '1 call(s) of the handler to end',
      engine: of(
        class extends WrongDelays {
          #last = 0;

          override delayed(event: NewEvent, options: PublishOptions): Promise<void> {
            this.#last = Math.max(this.#last, performance.now() + delayOf(options));
            return this.inner.publish(event, { delayMs: this.#last - performance.now() });
          }
        },
      ),
    },
    {
      wrong: 'events of the same time arrive in reverse order',
      foundBy: 'events of a key that are delayed until the same time',
      because: 'expected the handler to get 0, 1, 2',
      engine: of(
        class extends WrongDelays {
          #count = 0;

          override delayed(event: NewEvent, { at, ...options }: PublishOptions): Promise<void> {
            const later = at && { at: new Date(at.getTime() + 1000 - 20 * this.#count++) };
            return this.inner.publish(event, { ...options, ...later });
          }
        },
      ),
    },
    {
      wrong: 'a delayed event takes its position when it is published',
      foundBy: 'a delayed event takes its position in the order of its key',
      because: 'expected the handler to get 1, 0',
      engine: of(
        class extends WrongDelays {
          override delayed(event: NewEvent): Promise<void> {
            return this.inner.publish(event);
          }
        },
      ),
    },
    {
      wrong: 'two processes publish the same delayed event',
      foundBy: 'each of 1,000 delayed events arrives once',
      because: 'each once',
      engine: of(TwicePublished),
    },
    {
      wrong: 'a group gets a delayed event twice',
      foundBy: 'the members of a group share the delayed events',
      because: 'the group',
      engine: of(TwicePublished),
    },
    {
      wrong: 'a delay that is no number counts as none',
      foundBy: 'publish() refuses an invalid `delayMs` or `at`',
      because: 'should have rejected with INVALID_OPTION',
      engine: of(
        class extends WrappedEngine {
          override publish<T>(event: NewEvent<T>, { delayMs, ...rest }: PublishOptions = {}): Promise<void> {
            const isValid = Number.isFinite(delayMs);
            return this.inner.publish(event, isValid ? { delayMs, ...rest } : rest);
          }
        },
      ),
    },
    {
      wrong: 'an engine that cannot delay events publishes them at once',
      foundBy: 'an engine without the capability `delay` refuses',
      because: 'should have rejected with UNSUPPORTED_CAPABILITY',
      engine: of(
        class extends WrappedEngine {
          override get capabilities(): Capabilities {
            return { ...this.inner.capabilities, delay: false };
          }

          override publish<T>(event: NewEvent<T>): Promise<void> {
            return this.inner.publish(event);
          }
        },
      ),
      intact: () => new Undelayed(),
    },
  ]);
});

/** An engine without the capability `delay`, which refuses the options. */
class Undelayed extends WrappedEngine {
  override get capabilities(): Capabilities {
    return { ...this.inner.capabilities, delay: false };
  }

  override publish<T>(event: NewEvent<T>, options: PublishOptions = {}): Promise<void> {
    for (const option of ['delayMs', 'at'] as const) {
      if (options[option] !== undefined)
        return Promise.reject(new UnsupportedCapabilityError(option, 'delay', 'wrapped', ['durable-memory']));
    }
    return this.inner.publish(event, options);
  }
}
