import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test, vi } from 'vitest';
import type { BusyPoll as OriginalBusyPoll } from '../../src/read/busy-poll.ts';
import { newPrefix, startEngine, until } from '../support.ts';

const counts = vi.hoisted((): (() => number)[] => []);

vi.mock('../../src/read/busy-poll.ts', async (importOriginal) => {
  const { BusyPoll } = await importOriginal<{ BusyPoll: typeof OriginalBusyPoll }>();
  return {
    BusyPoll: class extends BusyPoll {
      constructor(published: () => number) {
        super(published);
        counts.push(published);
      }
    },
  };
});

describeWithBroker('redis', 'polling before sleeping', ({ url }) => {
  test.each([undefined, 'g'])(
    'waits for events of this engine, and not for events of other publishers, group %s',
    async (group) => {
      const config = { url, keyPrefix: newPrefix(), mode: 'streams' } as const;
      const [engine, other] = [await startEngine(config), await startEngine(config)];
      const seen: unknown[] = [];
      await engine.subscribe('own', ({ payload }) => void seen.push(payload), { group });
      const published = counts.at(-1)!;
      for (const payload of [1, 2, 3]) await other.publish({ topic: 'own', payload });
      await until('the events of the other', () => seen.length === 3);
      expect(published()).toBe(0);
      await engine.publish({ topic: 'own', payload: 4 });
      expect(published()).toBe(1);
    },
  );
});
