import { once } from 'node:events';
import type { EventHandler, SubscribeOptions } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { ownKafka } from '../read/foreign.ts';
import { adminOf, newName, startEngine, until, spawnMember } from '../support.ts';

const never = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;

describeWithBroker('kafka', 'events that a group handles again', async () => {
  const { brokers } = await ownKafka();
  const config = { brokers, numPartitions: 1 };

  /** A handler that records the events that it has handled, with the number of the attempt. */
  function recorder(body: EventHandler<number> = () => {}): {
    handled: Map<number, number>;
    handler: EventHandler<number>;
  } {
    const handled = new Map<number, number>();
    const handler: EventHandler<number> = async (event, context) => {
      await body(event, context);
      handled.set(event.payload, context.attempt);
    };
    return { handled, handler };
  }

  function gate(): { opened: Promise<void>; open: () => void } {
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    return { opened, open };
  }

  const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
  const sorted = (handled: ReadonlyMap<number, number>): number[] =>
    [...handled.keys()].sort((a, b) => a - b);
  /** Every third event has the same key, and each of the other events has its own key. */
  const keyOf = (n: number): string => (n % 3 === 0 ? 'slow' : `key-${n}`);

  test('a member that stops while a key is slow leaves only the events behind that key to the next member', async () => {
    const [topic, options] = [newName(), { group: newName('g'), concurrency: 8 }];
    const [publisher, leaving] = [await startEngine(config), await startEngine(config)];
    const slow = gate();
    const first = recorder(({ payload }) => (payload === 0 ? slow.opened : undefined));
    await leaving.subscribeAsync(topic, first.handler, options);
    for (const n of numbers(60)) await publisher.publish({ topic, payload: n, key: keyOf(n) });
    await until('all other keys', () => first.handled.size === 40);
    const stopping = leaving.stop();
    slow.open();
    await stopping;
    const second = recorder();
    await publisher.subscribeAsync(topic, second.handler, options);
    await publisher.publish({ topic, payload: 60 });
    await until('the last event', () => second.handled.has(60));
    expect(sorted(second.handled)).toEqual(numbers(61).filter((n) => !first.handled.has(n)));
    expect(second.handled.size).toBeGreaterThan(1);
  });

  test('a member that stops between two attempts leaves only that event, with its attempts', async () => {
    const [topic, group] = [newName(), newName('g')];
    const [publisher, leaving] = [await startEngine(config), await startEngine(config)];
    const options: SubscribeOptions = { group, concurrency: 8, retry: { attempts: 5, backoff: never } };
    const first = recorder(({ payload }) => {
      if (payload === 1) throw new Error('not here');
    });
    await leaving.subscribeAsync(topic, first.handler, options);
    for (const n of numbers(30)) await publisher.publish({ topic, payload: n, key: `key-${n}` });
    await until('all others', () => first.handled.size === 29);
    await leaving.stop();
    const second = recorder();
    await publisher.subscribeAsync(topic, second.handler, options);
    await publisher.publish({ topic, payload: 30 });
    await until('the last event', () => second.handled.has(30));
    expect([...second.handled].sort(([a], [b]) => a - b)).toEqual([
      [1, 2],
      [30, 1],
    ]);
  });

  test('members that join and leave between attempts handle each event once', async () => {
    const [topic, group] = [newName(), newName('g')];
    const shared = { brokers, numPartitions: 4 };
    const publisher = await startEngine(shared);
    const times = new Map<number, number>();
    const options = { group, concurrency: 4, retry: { attempts: 20, backoff: { initialMs: 30 } } };
    const join = async () => {
      const engine = await startEngine(shared);
      await engine.subscribeAsync<number>(
        topic,
        async ({ payload }, { attempt }) => {
          await new Promise((resolve) => setImmediate(resolve));
          if (payload % 17 === 0 && attempt < 4) throw new Error('not yet');
          times.set(payload, (times.get(payload) ?? 0) + 1);
        },
        options,
      );
      return engine;
    };
    const members = [await join(), await join()];
    const count = 800;
    let published = 0;
    const publishing = (async () => {
      for (; published < count; published++) {
        await publisher.publish({ topic, payload: published, key: `key-${published % 50}` });
        if (published > times.size + 200)
          await until('the members to keep up', () => published < times.size + 150);
      }
    })();
    for (const goal of [150, 350, 550]) {
      await until(`${goal} events`, () => times.size > goal);
      members.push(await join());
      await members.shift()!.stop();
    }
    await publishing;
    await until('all events', () => times.size === count);
    expect([...times].filter(([, n]) => n !== 1)).toEqual([]);
  });

  test('a killed process leaves only uncommitted events, and none that was settled behind an unsettled event', async () => {
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine(config);
    const admin = await adminOf(brokers);
    await engine.publish({ topic, payload: 'before' });
    const { child, said } = await spawnMember('slow-member', brokers.join(), topic, group);
    for (const n of numbers(30)) await engine.publish({ topic, payload: n, key: `key-${n}` });
    await until('all to have begun', () => said.length === 31);
    await until('a commit of what is settled', async () => {
      const [one] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      const text = one?.partitions[0]?.metadata ?? '';
      // One event that is not settled, and the 29 behind it that are.
      return Buffer.from(text.split(':')[2] ?? '', 'base64url').equals(Buffer.from([2, 1, 29]));
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { handled, handler } = recorder();
    await engine.subscribeAsync(topic, handler, { group });
    await engine.publish({ topic, payload: 30 });
    await until('the last event', () => handled.has(30));
    expect([...handled].sort(([a], [b]) => a - b)).toEqual([
      [0, 1],
      [30, 1],
    ]);
  });

  test('a subscription that has handled an event gets it again if another subscription with the same groupId has not', async () => {
    const [topic, groupId] = [newName(), newName('g')];
    const own = { ...config, groupId };
    const [publisher, leaving] = [await startEngine(config), await startEngine(own)];
    const slow = gate();
    const [quick, held] = [recorder(), recorder(({ payload }) => (payload === 1 ? slow.opened : undefined))];
    await leaving.subscribe(topic, quick.handler);
    await leaving.subscribe(topic, held.handler);
    for (const n of numbers(4)) await publisher.publish({ topic, payload: n });
    await until('all at one of them', () => quick.handled.size === 4);
    const stopping = leaving.stop();
    slow.open();
    await stopping;
    const next = await startEngine(own);
    const again = recorder();
    await next.subscribe(topic, again.handler);
    await publisher.publish({ topic, payload: 4 });
    await until('the last event', () => again.handled.has(4));
    expect(sorted(again.handled)).toEqual(numbers(5).filter((n) => !held.handled.has(n)));
    expect(sorted(again.handled).filter((n) => quick.handled.has(n)).length).toBeGreaterThan(0);
  });
});

describeWithBroker('kafka', 'attempts of subscriptions that each get every event', ({ brokers }) => {
  test('are kept if an event is released to a subscription of the same process', async () => {
    const [topic, other, groupId] = [newName(), newName(), newName('g')];
    const engine = await startEngine({ brokers: [...brokers], groupId, numPartitions: 1 });
    const [failing, fine]: number[][] = [[], []];
    const retry = { attempts: 3, backoff: never };
    await engine.subscribe(
      topic,
      (_, { attempt }) => {
        failing!.push(attempt);
        throw new Error('always');
      },
      { retry, deadLetter: false },
    );
    await engine.subscribe(topic, (_, { attempt }) => void fine!.push(attempt));
    await engine.publish({ topic, payload: 1 });
    await until('the first attempt, and the other one', () => failing!.length + fine!.length === 2);
    // Each topic that is added makes the member join again, and take back what waits for its next attempt.
    await engine.subscribe(other, () => {});
    await until('the second attempt', () => failing!.length === 2);
    await engine.subscribe(`${other}.more`, () => {});
    await until('the end of its attempts', () => failing!.length === 3 && engine.stats().pending === 0);
    expect([failing, fine]).toEqual([[1, 2, 3], [1]]);
  });
});

describeWithBroker('kafka', 'a cluster with a low limit for offset metadata', async () => {
  const { brokers } = await ownKafka({ config: { 'offset.metadata.max.bytes': '48' } });
  const config = { brokers, numPartitions: 1 };

  test('repeats only the settled events that do not fit into the metadata', async () => {
    const [topic, group] = [newName(), newName('g')];
    const [publisher, leaving] = [await startEngine(config), await startEngine(config)];
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const [first, second]: number[][] = [[], []];
    const options = { group, concurrency: 8 };
    await leaving.subscribeAsync<number>(
      topic,
      async ({ payload }) => {
        if (payload === 0) await opened;
        first!.push(payload);
      },
      options,
    );
    // Each that is handled lies between two that are not.
    for (let n = 0; n < 60; n++)
      await publisher.publish({ topic, payload: n, key: n % 2 === 0 ? 'slow' : `key-${n}` });
    await until('all other keys', () => first!.length === 30);
    const stopping = leaving.stop();
    open();
    await stopping;
    await publisher.subscribeAsync<number>(topic, ({ payload }) => void second!.push(payload), options);
    await publisher.publish({ topic, payload: 60 });
    await until('the last event', () => second!.includes(60));
    const again = second!.filter((n) => first!.includes(n)).sort((a, b) => a - b);
    expect(again.length).toBeGreaterThan(0);
    expect(again.length).toBeLessThan(30);
    expect(again).toEqual(Array.from({ length: again.length }, (_, i) => 61 - 2 * (again.length - i)));
    expect(new Set([...first!, ...second!]).size).toBe(61);
  });
});
