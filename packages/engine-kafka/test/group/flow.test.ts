import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newName, startEngine, until } from '../support.ts';

describeWithBroker('kafka', 'events of a group', ({ brokers }) => {
  const list = [...brokers];

  test('stop being read by a member with a full buffer until it has room, and none is lost', async () => {
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine({ brokers: list, numPartitions: 1 });
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const [full, seen] = [new Set<unknown>(), new Set<unknown>()];
    await engine.subscribe(
      topic,
      async ({ payload }) => {
        await opened;
        full.add(payload);
      },
      { group, bufferSize: 2 },
    );
    await engine.subscribe(topic, ({ payload }) => void seen.add(payload));
    const count = 3000;
    for (let n = 0; n < count; n += 100) {
      const numbers = Array.from({ length: 100 }, (_, i) => n + i);
      await Promise.all(numbers.map((one) => engine.publish({ topic, payload: one, key: `key-${one % 9}` })));
    }
    await until('all at the one that is not full', () => seen.size === count);
    // One in the handler, two in the buffer.
    expect([engine.stats().pending, full.size]).toEqual([3, 0]);
    expect((await engine.lag!()).find(({ group: name }) => name === group)?.events).toBe(count);
    open();
    await until('all at the one that was full', () => full.size === count);
  });

  test('are shared by the subscriptions of one process, which form one member', async () => {
    const [one, other, group] = [newName(), newName(), newName('g')];
    const admin = await adminOf(list);
    const membersOf = async (): Promise<number | undefined> =>
      (await admin.describeGroups([group])).groups[0]?.members.length;
    const engine = await startEngine({ brokers: list });
    for (const topic of [one, one, other]) await engine.subscribe(topic, () => {}, { group });
    expect(await membersOf()).toBe(1);
    const second = await startEngine({ brokers: list });
    await second.subscribe(one, () => {}, { group });
    expect(await membersOf()).toBe(2);
    await second.stop();
    expect(await membersOf()).toBe(1);
  });
});
