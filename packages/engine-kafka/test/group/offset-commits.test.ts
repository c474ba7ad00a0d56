import { isDeepStrictEqual } from 'node:util';
import { describeWithBroker } from '@polybus/testbed/vitest';
import type { Admin } from 'kafkajs';
import { expect, test } from 'vitest';
import { adminOf, newName, startEngine, until } from '../support.ts';

describeWithBroker('kafka', 'offsets', ({ brokers }) => {
  const list = [...brokers];

  async function committed(admin: Admin, topic: string, group: string): Promise<number> {
    const [one] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
    return Number(one?.partitions[0]?.offset);
  }

  test('are committed up to the first unsettled event, even if later events are settled', async () => {
    const [topic, group] = [newName(), newName('g')];
    const admin = await adminOf(list);
    const engine = await startEngine({ brokers: list, numPartitions: 1, commitIntervalMs: 20 });
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const ended: number[] = [];
    await engine.subscribeAsync<number>(
      topic,
      async ({ payload }) => {
        if (payload === 3) await opened;
        ended.push(payload);
      },
      { group, concurrency: 4 },
    );
    for (let n = 0; n < 10; n++) await engine.publish({ topic, payload: n, key: `key-${n}` });
    await until('the others', () => ended.length === 9);
    await until('a commit', async () => (await committed(admin, topic, group)) === 3);
    open();
    await until('the commit of all', async () => (await committed(admin, topic, group)) === 10);
  });

  test('are committed after a number of events, before the interval ends, and at stop', async () => {
    const [topic, group] = [newName(), newName('g')];
    const config = { brokers: list, numPartitions: 1, commitIntervalMs: 3_600_000, commitCount: 5 };
    const admin = await adminOf(list);
    const engine = await startEngine(config);
    let ended = 0;
    await engine.subscribe(topic, () => void ended++, { group });
    for (let n = 0; n < 7; n++) await engine.publish({ topic, payload: n });
    await until('a commit after five', async () => (await committed(admin, topic, group)) >= 5);
    await until('seven events', () => ended === 7);
    await engine.stop();
    expect(await committed(admin, topic, group)).toBe(7);
  });

  test('of a subscription without a group are not stored on the cluster', async () => {
    const admin = await adminOf(list);
    const groups = async () => (await admin.listGroups()).groups.map(({ groupId }) => groupId).sort();
    const before = await groups();
    const topic = newName();
    const engine = await startEngine({ brokers: list });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    await engine.publish({ topic, payload: 1 });
    await until('the event', () => seen.length === 1);
    expect((await groups()).filter((one) => !before.includes(one) && !/^g-|^t-/.test(one))).toEqual([]);
    await engine.stop();
  });

  test('of a group start at a date and then continue, and a later `from` has no effect', async () => {
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine({ brokers: list, numPartitions: 2 });
    for (let n = 0; n < 5; n++) await engine.publish({ topic, payload: n, key: `key-${n}` });
    const pause = Date.now();
    await until('the clock to move on', () => Date.now() > pause + 50);
    const from = new Date(pause + 25);
    for (let n = 5; n < 10; n++) await engine.publish({ topic, payload: n, key: `key-${n}` });
    const seen: number[] = [];
    const options = { group, from };
    const first = await engine.subscribe<number>(topic, ({ payload }) => void seen.push(payload), options);
    await until('five events', () => seen.length === 5);
    await first.cancel();
    await engine.publish({ topic, payload: 10, key: 'key' });
    await engine.subscribe<number>(topic, ({ payload }) => void seen.push(payload), {
      group,
      from: 'earliest',
    });
    await until('one more', () => seen.length === 6);
    expect(seen.toSorted((a, b) => a - b)).toEqual([5, 6, 7, 8, 9, 10]);
  });

  test.each(['a group', 'no group'])(
    'of a topic that is created after its subscription start at the first event, with `from`: %s',
    async (what) => {
      const prefix = newName();
      const engine = await startEngine({ brokers: list, numPartitions: 1 });
      const seen: unknown[] = [];
      await engine.subscribe(`${prefix}.*`, ({ payload }) => void seen.push(payload), {
        from: new Date(Date.now() + 3_600_000),
        ...(what === 'a group' ? { group: newName('g') } : {}),
      });
      for (let n = 0; n < 3; n++) await engine.publish({ topic: `${prefix}.later`, payload: n });
      await until('all three', () => seen.length === 3);
      expect(seen).toEqual([0, 1, 2]);
    },
  );

  test.each(['a group', 'no group'])(
    'before the epoch mean the beginning, and far in the future the end: %s',
    async (what) => {
      const topic = newName();
      const engine = await startEngine({ brokers: list, numPartitions: 1 });
      for (let n = 0; n < 3; n++) await engine.publish({ topic, payload: n });
      const seenFrom = new Map<number, unknown[]>();
      // Kafka uses the numbers from -1 down as names of positions, and refuses other negative numbers.
      for (const time of [0, -1, -2, -3, -86_400_000, 8.64e15]) {
        const seen: unknown[] = [];
        seenFrom.set(time, seen);
        await engine.subscribe(topic, ({ payload }) => void seen.push(payload), {
          from: new Date(time),
          ...(what === 'a group' ? { group: newName('g') } : {}),
        });
      }
      await engine.publish({ topic, payload: 3 });
      await until('the last event everywhere', () =>
        [...seenFrom.values()].every((seen) => seen.at(-1) === 3),
      );
      expect(seenFrom.get(8.64e15)).toEqual([3]);
      seenFrom.delete(8.64e15);
      for (const [time, seen] of seenFrom) expect([time, seen]).toEqual([time, [0, 1, 2, 3]]);
    },
  );

  test('are compared by lag() with the end, for groups and for subscriptions without a group', async () => {
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine({ brokers: list, numPartitions: 1 });
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    await engine.subscribe(topic, () => opened, { group });
    await engine.subscribe(topic, () => opened, { bufferSize: 2 });
    for (let n = 0; n < 6; n++) await engine.publish({ topic, payload: n });
    const lag = async (): Promise<unknown> =>
      Object.fromEntries((await engine.lag!()).map(({ group: name, events }) => [name ?? 'none', events]));
    // Of the six the one without a group has one in its handler and two in its buffer.
    const isSo = async (expected: unknown): Promise<boolean> => isDeepStrictEqual(await lag(), expected);
    await until('the lag of both', () => isSo({ [group]: 6, none: 3 }));
    open();
    await until('no lag', () => isSo({ [group]: 0, none: 0 }));
  });

  test('of a subscription with a full buffer hold up no other subscription, and no event is lost', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers: list, numPartitions: 2 });
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const [slow, fast] = [new Set<unknown>(), new Set<unknown>()];
    await engine.subscribe(
      topic,
      async ({ payload }) => {
        await opened;
        slow.add(payload);
      },
      { bufferSize: 1 },
    );
    await engine.subscribe(topic, ({ payload }) => void fast.add(payload));
    const count = 3000;
    for (let n = 0; n < count; n += 100) {
      const numbers = Array.from({ length: 100 }, (_, i) => n + i);
      await Promise.all(numbers.map((one) => engine.publish({ topic, payload: one, key: `key-${one % 9}` })));
    }
    await until('all at the fast one', () => fast.size === count);
    expect(slow.size).toBe(0);
    open();
    await until('all at the slow one', () => slow.size === count);
  });
});
