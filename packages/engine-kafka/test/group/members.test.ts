import { once } from 'node:events';
import type { EventHandler } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { ownKafka } from '../read/foreign.ts';
import { adminOf, newName, startEngine, until, spawnMember } from '../support.ts';

describeWithBroker('kafka', 'members of a group', async () => {
  const { brokers } = await ownKafka();
  const roomy = { bufferSize: 100_000 };

  test('events of a killed member go to the other members, in order and without loss', async () => {
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine({ brokers, numPartitions: 4 });
    const byKey = new Map<string, number[]>();
    const seen = new Set<number>();
    await engine.subscribeAsync<number>(
      topic,
      ({ payload, key }) => {
        seen.add(payload);
        byKey.set(key!, [...(byKey.get(key!) ?? []), payload]);
      },
      { ...roomy, group },
    );
    const { child, said } = await spawnMember('hung-member', brokers.join(), topic, group);
    for (let n = 0; n < 40; n++) await engine.publish({ topic, payload: n, key: `key-${n % 8}` });
    await until('the child to be in its handlers', () => said.length > 1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (let n = 40; n < 60; n++) await engine.publish({ topic, payload: n, key: `key-${n % 8}` });
    await until('all events', () => seen.size === 60);
    for (const numbers of byKey.values()) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect([...byKey.values()].flat().length).toBe(60);
  });

  test('10 000 events are each handled once and in order while members join and leave, and no key in two members at once', async () => {
    const [topic, group] = [newName(), newName('g')];
    const publisher = await startEngine({ brokers, numPartitions: 6 });
    const handled = new Map<number, number>();
    const [busy, last] = [new Set<string>(), new Map<string, number>()];
    const violations: string[] = [];
    const count = 10_000;
    const handler: EventHandler<number> = async ({ key, payload }) => {
      if (busy.has(key!)) violations.push(`${key}: ${payload} began beside another`);
      if (payload <= (last.get(key!) ?? -1)) violations.push(`${key}: ${payload} after ${last.get(key!)}`);
      busy.add(key!);
      last.set(key!, payload);
      await new Promise((resolve) => setImmediate(resolve));
      busy.delete(key!);
      handled.set(payload, (handled.get(payload) ?? 0) + 1);
    };
    const join = async (): Promise<Engine> => {
      const engine = await startEngine({ brokers });
      await engine.subscribeAsync<number>(topic, handler, { ...roomy, group, concurrency: 8 });
      return engine;
    };
    const members = [await join()];
    const publishing = (async () => {
      for (let n = 0; n < count; n += 50) {
        const numbers = Array.from({ length: 50 }, (_, i) => n + i);
        await Promise.all(
          numbers.map((one) => publisher.publish({ topic, payload: one, key: `key-${one % 30}` })),
        );
        // So that members come and go in the middle of it.
        await until('the members to keep up', () => handled.size > n - 500);
      }
    })();
    for (const goal of [1000, 2500, 4000, 5500, 7000, 8500]) {
      await until(`${goal} events`, () => handled.size > goal);
      members.push(await join());
      if (members.length > 2) await members.shift()!.stop();
    }
    await publishing;
    await until('all events', () => handled.size === count);
    expect(violations).toEqual([]);
    expect([...handled.values()].filter((times) => times !== 1)).toEqual([]);
  });

  test('a joining member waits for running handlers, and not for queued events', async () => {
    const [topic, group] = [newName(), newName('g')];
    const config = { brokers, numPartitions: 2, rebalanceTimeoutMs: 600_000 };
    const [staying, joining] = [await startEngine(config), await startEngine(config)];
    const gates: (() => void)[] = [];
    let joined = 0;
    await staying.subscribe(topic, () => new Promise<void>((open) => void gates.push(open)), {
      ...roomy,
      group,
    });
    for (let n = 0; n < 40; n++) await staying.publish({ topic, payload: n, key: `key-${n}` });
    await until('the first handler, and the others to be queued', () => staying.stats().pending === 40);
    const subscribing = joining.subscribe(topic, () => void joined++, { ...roomy, group });
    await until('what is queued to be given back', () => staying.stats().released === 39);
    expect([gates.length, joined]).toEqual([1, 0]);
    gates[0]?.();
    await subscribing;
    await until('the other to have begun again, and hang', () => gates.length === 2);
    await until(
      'the new member to handle its share',
      () => joined > 0 && staying.stats().pending + joined === 39,
    );
    const over = new AbortController();
    const opening = (async () => {
      while (!over.signal.aborted) {
        for (const open of gates) open();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await until('all events', () => gates.length + joined === 40 && staying.stats().pending === 0);
    over.abort();
    await opening;
  });

  test('a joining member does not wait for the retry of a handler that fails meanwhile', async () => {
    const [topic, group] = [newName(), newName('g')];
    const config = { brokers, numPartitions: 1, rebalanceTimeoutMs: 600_000 };
    const [staying, joining] = [await startEngine(config), await startEngine(config)];
    const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
    const options = { ...roomy, group, retry: { attempts: 2, backoff } };
    const begun: string[] = [];
    let fail!: (error: Error) => void;
    const failure = new Promise<void>((_, reject) => (fail = reject));
    const handler: EventHandler<number> = ({ payload }, { attempt }) => {
      begun.push(`${payload}, attempt ${attempt}`);
      return payload === 0 && attempt === 1 ? failure : undefined;
    };
    await staying.subscribe(topic, handler, options);
    for (const payload of [0, 1]) await staying.publish({ topic, payload, key: 'key' });
    await until('the handler, and the other event to be queued', () => staying.stats().pending === 2);
    const subscribing = joining.subscribe(topic, handler, options);
    await until('the other event to be given back', () => staying.stats().released === 1);
    fail(new Error('once'));
    await subscribing;
    await until('all events', () => begun.length === 3);
    expect(begun).toEqual(['0, attempt 1', '0, attempt 2', '1, attempt 1']);
  });

  test('a member whose handler runs longer than the session timeout keeps its membership', async () => {
    const [topic, group] = [newName(), newName('g')];
    const config = { brokers, sessionTimeoutMs: 3000 };
    const engine = await startEngine(config);
    const begun: number[] = [];
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const handler = async ({ payload }: { payload: number }): Promise<void> => {
      begun.push(payload);
      if (payload === 0) await opened;
    };
    await engine.subscribe<number>(topic, handler, { group });
    await engine.publish({ topic, payload: 0 });
    await until('the handler to run', () => begun.length === 1);
    const since = performance.now();
    const admin = await adminOf(brokers);
    await until('two session timeouts to pass', () => performance.now() - since > 6000);
    const { groups } = await admin.describeGroups([group]);
    expect(groups[0]?.members.length).toBe(1);
    open();
    await engine.publish({ topic, payload: 1 });
    await until('the next event', () => begun.length === 2);
    expect(begun).toEqual([0, 1]);
  });

  test('adding a subscription to a running group loses and repeats no event of the others', async () => {
    const group = newName('g');
    const [first, ...others] = [newName('a'), newName('b'), newName('c')];
    const engine = await startEngine({ brokers, numPartitions: 3 });
    const seen: string[] = [];
    const subscribe = (topic: string) =>
      engine.subscribeAsync(topic, ({ payload }) => void seen.push(`${topic} ${String(payload)}`), {
        ...roomy,
        group,
      });
    await subscribe(first);
    const over = new AbortController();
    let next = 0;
    const flowing = (async () => {
      while (!over.signal.aborted)
        await engine.publish({ topic: first, payload: next++, key: `key-${next % 5}` });
    })();
    for (const topic of others) {
      const goal = seen.length + 100;
      await until('events to flow', () => seen.length > goal);
      await subscribe(topic);
      await engine.publish({ topic, payload: 'first' });
    }
    over.abort();
    await flowing;
    await until('all events', () => seen.length >= next + 2);
    expect(seen.length).toBe(new Set(seen).size);
    expect(seen).toEqual(expect.arrayContaining(others.map((topic) => `${topic} first`)));
  });

  test('engines with the same groupId share the events, and each subscription of an engine gets all events of its engine', async () => {
    const [topic, groupId] = [newName(), newName('g')];
    const publisher = await startEngine({ brokers, numPartitions: 4 });
    const seen: { sync: Set<unknown>; async: Set<unknown> }[] = [];
    for (let n = 0; n < 2; n++) {
      const engine = await startEngine({ brokers, groupId, numPartitions: 4 });
      const had = { sync: new Set<unknown>(), async: new Set<unknown>() };
      await engine.subscribe(topic, ({ payload }) => void had.sync.add(payload));
      await engine.subscribeAsync(topic, ({ payload }) => void had.async.add(payload));
      seen.push(had);
    }
    for (let n = 0; n < 60; n++) await publisher.publish({ topic, payload: n, key: `key-${n}` });
    const all = (): Set<unknown> => new Set(seen.flatMap((had) => [...had.sync]));
    await until('each event at one of the engines', () => all().size === 60);
    await until('all subscriptions of an engine to have had the same', () =>
      seen.every((had) => had.sync.size === had.async.size),
    );
    for (const had of seen) {
      expect(had.sync).toEqual(had.async);
      expect(had.sync.size).toBeGreaterThan(0);
    }
    expect(seen.reduce((sum, had) => sum + had.sync.size, 0)).toBe(60);
  });

  test('a subscription cannot name the groupId of its engine as its group, and so take a part of the events of the others', async () => {
    const [topic, groupId] = [newName(), newName('g')];
    const engine = await startEngine({ brokers: [...brokers], groupId });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    await expect(engine.subscribe(topic, () => {}, { group: groupId })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'group',
      engine: 'kafka',
    });
    for (let n = 0; n < 10; n++) await engine.publish({ topic, payload: n, key: `key-${n}` });
    await until('all events', () => seen.length === 10);
  });
});
