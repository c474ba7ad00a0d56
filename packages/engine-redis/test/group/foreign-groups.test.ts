import type { StartPosition } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

const positions: readonly StartPosition[] = ['earliest', 'latest', new Date(0)];

describeWithBroker('redis', 'groups that an operator created', ({ url }) => {
  test.each(positions)(
    'the first member starts after the id of XGROUP CREATE, whatever `from` specifies (%s)',
    async (from) => {
      const keyPrefix = newPrefix();
      const engine = await startEngine({ url, keyPrefix, mode: 'streams' });
      const admin = adminOf(url);
      for (let n = 0; n < 6; n++) await engine.publish({ topic: 'a.known', payload: n, key: `k-${n % 2}` });
      const ids = (await admin.xrange(`${keyPrefix}a.known`, '-', '+')).map(([id]) => id);
      for (const group of ['exact', 'pattern'])
        await admin.xgroup('CREATE', `${keyPrefix}a.known`, group, ids[2]!);
      const seen = { exact: [] as unknown[], pattern: [] as unknown[] };
      await engine.subscribe('a.known', ({ payload }) => void seen.exact.push(payload), {
        group: 'exact',
        from,
      });
      await engine.subscribe('a.*', ({ payload }) => void seen.pattern.push(payload), {
        group: 'pattern',
        from,
      });
      await engine.publish({ topic: 'a.known', payload: 6, key: 'k-0' });
      await until('the events', () => seen.exact.includes(6) && seen.pattern.includes(6));
      await until('everything to be settled', () => engine.stats().pending === 0);
      expect(seen.exact).toEqual([3, 4, 5, 6]);
      expect(seen.pattern).toEqual([3, 4, 5, 6]);
    },
  );

  test('a group that an operator created before the first event of its topic gets every event', async () => {
    const keyPrefix = newPrefix();
    const [engine, publisher] = [
      await startEngine({ url, keyPrefix, mode: 'streams' }),
      await startEngine({ url, keyPrefix, mode: 'streams' }),
    ];
    await adminOf(url).xgroup('CREATE', `${keyPrefix}a`, 'g', '$', 'MKSTREAM');
    for (let n = 0; n < 5; n++) await publisher.publish({ topic: 'a', payload: n });
    const seen: unknown[] = [];
    await engine.subscribe('a', ({ payload }) => void seen.push(payload), { group: 'g', from: 'latest' });
    await until('the events', () => seen.length >= 5);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });
});
