import type { EventHandler, StopOptions } from '@polybus/core';
import { describe, test } from 'vitest';
import { turns } from '../../src/support/eventually.ts';
import { describeBroken, of } from './broken-engine.ts';
import { WrappedEngine, WrappedHandlers } from './wrapped-engine.ts';

const hourMs = 60 * 60 * 1000;

/** What an engine can do wrong by the time of day. One after the other: they set the clock. */
describe('the suite finds an engine that measures durations with the time of day:', () => {
  describeBroken(
    [
      {
        wrong: 'it expires events by the time of day',
        foundBy: 'setting the clock forward two hours and back',
        because: '5 call(s) of the handler to end; it was called 1 time(s)',
        engine: of(
          class extends WrappedHandlers {
            override wrap(handler: EventHandler<never>): EventHandler<never> {
              return (event: { createdAt: Date }, context) => {
                const isOld = Date.now() - event.createdAt.getTime() >= hourMs;
                return isOld ? undefined : handler(event as never, context);
              };
            }
          },
        ),
      },
      {
        wrong: 'stop waits until a time of day',
        foundBy: 'setting the clock back while stop() waits does',
        because: 'stop to give up after 200 ms',
        engine: of(
          class extends WrappedEngine {
            override async stop({ timeoutMs = 30_000 }: StopOptions = {}): Promise<void> {
              const until = Date.now() + timeoutMs;
              while (Date.now() < until && this.inner.stats().pending > 0) await turns(1);
              await this.inner.stop({ timeoutMs: 0 });
            }
          },
        ),
      },
    ],
    test,
  );
});
