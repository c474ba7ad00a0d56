import type { StartPosition } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newName, startEngine, until } from '../support.ts';

const positions: readonly StartPosition[] = ['earliest', 'latest', new Date(0)];

describeWithBroker('kafka', 'groups whose offsets an operator committed', ({ brokers }) => {
  test('the first member starts at the committed offsets, whatever `from` specifies, and at `from` in other topics', async () => {
    const prefix = newName();
    const [known, other] = [`${prefix}.known`, `${prefix}.other`];
    const admin = await adminOf(brokers);
    const topics = [known, other].map((topic) => ({ topic, numPartitions: 2 }));
    await admin.createTopics({ topics, waitForLeaders: true });
    const engine = await startEngine({ brokers: [...brokers] });
    for (const topic of [known, other])
      for (let n = 0; n < 8; n++) await engine.publish({ topic, payload: n, key: `key-${n % 4}` });
    const ends = await admin.fetchTopicOffsets(known);
    // The last event of each partition that has events.
    const lastOffsets = ends.map(({ partition, high }) => ({
      partition,
      offset: String(Math.max(0, Number(high) - 1)),
    }));
    const lastEvents = ends.filter(({ high }) => Number(high) > 0).length;
    const groups = await Promise.all(
      positions.map(async (from) => {
        const groupId = newName('g');
        await admin.setOffsets({ groupId, topic: known, partitions: lastOffsets });
        const seen = new Map<string, unknown[]>([
          [known, []],
          [other, []],
        ]);
        const handler = ({ topic, payload }: { topic: string; payload: unknown }): void =>
          void seen.get(topic)!.push(payload);
        await engine.subscribe(`${prefix}.*`, handler, { group: groupId, from });
        return { from, seen };
      }),
    );
    for (const topic of [known, other]) await engine.publish({ topic, payload: 'later', key: 'key-0' });
    for (const { from, seen } of groups) {
      const counts = { known: lastEvents + 1, other: from === 'latest' ? 1 : 9 };
      await until(
        'the events',
        () => seen.get(known)!.length >= counts.known && seen.get(other)!.length >= counts.other,
      );
      await until('every delivery to be settled', () => engine.stats().pending === 0);
      expect(seen.get(known)).toHaveLength(counts.known);
      expect(seen.get(known)).toEqual(expect.arrayContaining([7, 'later']));
      expect(seen.get(other)).toHaveLength(counts.other);
    }
  });
});
