import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newName, startEngine, until } from '../support.ts';

/** Names that every object has, or that no object can have like any other. */
const names = ['constructor', 'toString', '__proto__', 'hasOwnProperty'];

describeWithBroker('kafka', 'names of properties that every object has', ({ brokers }) => {
  const list = [...brokers];

  test.each(names)(
    'the topic %s can be published to, read with and without a pattern or a group, and committed',
    async (topic) => {
      const group = newName('g');
      const engine = await startEngine({ brokers: list, numPartitions: 2 });
      const id = newName('id');
      const seen: Record<string, unknown[]> = { plain: [], grouped: [], pattern: [], groupedPattern: [] };
      const pattern = `${topic.slice(0, 6)}*`;
      for (const [name, of, options] of [
        ['plain', topic, {}],
        ['grouped', topic, { group }],
        ['pattern', pattern, {}],
        ['groupedPattern', pattern, { group: newName('g') }],
      ] as const) {
        // Other tests may use the name at the same time.
        await engine.subscribe(
          of,
          (event) => void (event.id === id && seen[name]!.push(event.topic)),
          options,
        );
      }
      await engine.publish({ topic, id, payload: 1, key: 'k' });
      const expected = [topic];
      await until('the event at each', () => Object.values(seen).every(({ length }) => length > 0));
      expect(seen).toEqual({
        plain: expected,
        grouped: expected,
        pattern: expected,
        groupedPattern: expected,
      });
      const admin = await adminOf(list);
      const committed = async (): Promise<number> => {
        const [at] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
        return at!.partitions.filter(({ offset }) => Number(offset) >= 0).length;
      };
      await until('a commit', async () => (await committed()) > 0);
      expect((await engine.lag!()).filter((one) => one.group === group).map((one) => one.topic)).toContain(
        topic,
      );
    },
  );

  test.each(names)(
    'the group %s has its own offsets, and a header of that name is metadata',
    async (name) => {
      const topic = newName();
      const engine = await startEngine({ brokers: list, contentMode: 'binary' });
      const seen: unknown[] = [];
      const first = await engine.subscribe(topic, ({ metadata }) => void seen.push(metadata), {
        group: name,
      });
      const metadata = Object.fromEntries([[name, 'x']]);
      await engine.publish({ topic, payload: 1, metadata });
      await until('the event', () => seen.length === 1);
      expect(Object.entries(seen[0]!)).toEqual([[name, 'x']]);
      await first.cancel();
      await engine.publish({ topic, payload: 2, metadata });
      await engine.subscribe(topic, ({ payload }) => void seen.push(payload), {
        group: name,
        from: 'latest',
      });
      await until('what came meanwhile', () => seen.length === 2);
      expect(seen[1]).toBe(2);
      expect((await engine.health()).status).toBe('up');
    },
  );
});
