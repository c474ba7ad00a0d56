import type { NewEvent, PublishOptions } from '@polybus/core';
import { orAborted } from '@polybus/core/engine-kit';
import { describe } from 'vitest';
import { turns } from '../../src/support/eventually.ts';
import { describeBroken, of } from './broken-engine.ts';
import { WrappedEngine } from './wrapped-engine.ts';

/** What an engine can do wrong with the signals that publishers give. */
describe('the suite finds an engine that handles signals wrongly:', () => {
  describeBroken([
    {
      wrong: 'an aborted publish is sent anyway',
      foundBy: 'a publish aborted before the event is sent',
      because:
        'expected the handler, of the publishes that resolved, to get 0, 21, each once; missing: nothing; too many: 1, 2',
      engine: of(
        class extends WrappedEngine {
          override publish<T>(event: NewEvent<T>, options?: PublishOptions): Promise<void> {
            const sent = turns(1).then(() => this.inner.publish(event));
            return orAborted(sent, options?.signal);
          }
        },
      ),
    },
    {
      wrong: 'each publish adds a listener to its signal',
      foundBy: 'a signal shared by 300 publishes has at',
      because: '300 listeners',
      engine: of(
        class extends WrappedEngine {
          override async publish<T>(event: NewEvent<T>, options?: PublishOptions): Promise<void> {
            const listener = (): void => {};
            options?.signal?.addEventListener('abort', listener);
            await turns(2);
            await this.inner.publish(event, options);
            options?.signal?.removeEventListener('abort', listener);
          }
        },
      ),
    },
  ]);
});
