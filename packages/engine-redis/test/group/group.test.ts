import { encodeStructured } from '@polybus/core/cloudevents';
import { createEvent } from '@polybus/core/engine';
import { waitFor } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { giveBack } from '../../src/group/scripts/consumer-scripts.ts';
import { readGroup } from '../../src/group/scripts/read-script.ts';
import { firstId } from '../../src/store/stream-ids.ts';
import { StreamKeys } from '../../src/store/stream-keys.ts';
import { ownRedis } from '../read/foreign.ts';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

const numbers = Array.from({ length: 200 }, (_, n) => n);

describeWithBroker('redis', 'commands of groups', async () => {
  // A separate server, because the test counts all its commands.
  const { url } = await ownRedis();

  const infoOf = async (admin: ReturnType<typeof adminOf>, section: string, field: string): Promise<number> =>
    Number(new RegExp(`${field}(\\d+)`).exec(await admin.info(section))?.[1] ?? 0);

  const encoded = (payload: string): string =>
    encodeStructured(createEvent({ topic: 'work', payload }), { source: 'test' });

  test('each of many groups of a topic gets an event at once that was added while another group was reading', async () => {
    // A group that misses an event would get it with the next blocking read or heartbeat, after the deadline of this test.
    const waitMs = 300_000;
    const config = { url, keyPrefix: newPrefix(), mode: 'streams' } as const;
    const slow = { blockMs: waitMs, claimIdleMs: waitMs, stallLimitMs: waitMs };
    const [engine, publisher] = [await startEngine({ ...config, ...slow }), await startEngine(config)];
    const counts = Array.from({ length: 64 }, () => 0);
    await Promise.all(
      counts.map((_, i) => engine.subscribe('work', () => void counts[i]!++, { group: `g${i}` })),
    );
    for (let round = 1; round <= 5; round++) {
      for (let n = 0; n < 20; n++) await publisher.publish({ topic: 'work', payload: n, key: 'k' });
      await until('each group to get each event', () => counts.every((count) => count >= 20 * round));
    }
    expect(new Set(counts)).toEqual(new Set([100]));
  });

  test('topics that are new at once do not need a blocking read each', async () => {
    const config = { url, keyPrefix: newPrefix(), mode: 'streams' } as const;
    const [engine, publisher] = [await startEngine(config), await startEngine(config)];
    const seen = new Set<unknown>();
    await engine.subscribe('new.*', ({ topic }) => void seen.add(topic), { group: 'g' });
    const admin = adminOf(url);
    const reads = (): Promise<number> => infoOf(admin, 'commandstats', 'cmdstat_xread:calls=');
    const before = await reads();
    await Promise.all(numbers.map((n) => publisher.publish({ topic: `new.${n}`, payload: n })));
    await until('the events of all topics', () => seen.size === numbers.length);
    expect((await reads()) - before).toBeLessThan(numbers.length / 2);
  });

  test.each([undefined, 'key'])(
    'events that are settled together are acknowledged together (key: %s)',
    async (key) => {
      const keyPrefix = newPrefix();
      const config = { url, keyPrefix, mode: 'streams', workerCount: numbers.length } as const;
      const engine = await startEngine(config);
      let [seen, open] = [0, (): void => {}];
      const gate = new Promise<void>((resolve) => (open = resolve));
      await engine.subscribeAsync('work', () => (seen++, gate), { group: 'g', concurrency: numbers.length });
      await Promise.all(
        numbers.map((n) => engine.publish({ topic: 'work', payload: n, key: key && `${key}-${n}` })),
      );
      await until('all handlers to run', () => seen === numbers.length);
      const admin = adminOf(url);
      await until('the attempts to be recorded', async () => {
        const pending = (await admin.xpending(`${keyPrefix}work`, 'g', '-', '+', 200)) as unknown[][];
        return pending.every(([, , , deliveries]) => deliveries === 2);
      });
      const command = key === undefined ? 'cmdstat_xack:calls=' : 'cmdstat_evalsha:calls=';
      const before = await infoOf(admin, 'commandstats', command);
      open();
      await until('nothing to be pending', async () => {
        const [count] = (await admin.xpending(`${keyPrefix}work`, 'g')) as [number];
        return count === 0;
      });
      expect((await infoOf(admin, 'commandstats', command)) - before).toBeLessThan(numbers.length / 10);
    },
  );

  test.each(['pubsub', 'streams'] as const)(
    'publishes of one event-loop turn share a round trip, mode %s',
    async (mode) => {
      const engine = await startEngine({ url, keyPrefix: newPrefix(), mode });
      await engine.publish({ topic: 'work', payload: 'to announce it' });
      const admin = adminOf(url);
      const before = await infoOf(admin, 'stats', 'total_reads_processed:');
      await Promise.all(numbers.map((payload) => engine.publish({ topic: 'work', payload })));
      const reads = (await infoOf(admin, 'stats', 'total_reads_processed:')) - before;
      expect(reads).toBeLessThan(numbers.length / 10);
    },
  );

  test('a member reads no more events than it has room for, and leaves the others to other members', async () => {
    const keyPrefix = newPrefix();
    const [full, free] = [
      await startEngine({ url, keyPrefix, mode: 'streams' }),
      await startEngine({ url, keyPrefix, mode: 'streams' }),
    ];
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    let began = 0;
    await full.subscribe('work', () => (began++, gate), { group: 'g', bufferSize: 10 });
    await Promise.all(numbers.map((payload) => full.publish({ topic: 'work', payload })));
    await until('the first event', () => began === 1);
    const admin = adminOf(url);
    const pending = async (): Promise<number> =>
      Number(((await admin.xpending(`${keyPrefix}work`, 'g')) as unknown[])[0]);
    await until('the buffer to be full', async () => (await pending()) >= 10);
    // A buffer, and what its handler has: not a read of hundreds.
    expect(await pending()).toBeLessThanOrEqual(11);
    const seen = new Set<unknown>();
    await free.subscribe('work', ({ payload }) => void seen.add(payload), { group: 'g' });
    await until('the other to have had the rest', () => seen.size >= numbers.length - 11);
    // The acknowledgements of the rest may still be on their way.
    await until('no more to be pending than the first has room for', async () => (await pending()) <= 11);
    open();
    await until('everything to be settled', async () => (await pending()) === 0);
  });

  test('a member that handles a key of one topic gets no event of that key in a topic without its subscription', async () => {
    const keyPrefix = newPrefix();
    const [orders, users] = [
      await startEngine({ url, keyPrefix, mode: 'streams' }),
      await startEngine({ url, keyPrefix, mode: 'streams' }),
    ];
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const [ofOrders, ofUsers]: [string[], string[]] = [[], []];
    await orders.subscribe('orders.*', ({ topic }) => (ofOrders.push(topic), gate), { group: 'g' });
    await users.subscribe('users.*', ({ topic }) => void ofUsers.push(topic), { group: 'g' });
    await users.publish({ topic: 'orders.new', payload: 1, key: 'k' });
    await until('the order to be in progress', () => ofOrders.length === 1);
    for (let n = 0; n < 10; n++) await users.publish({ topic: 'users.new', payload: n, key: 'k' });
    await until('the users', () => ofUsers.length === 10);
    open();
    await orders.stop();
    expect(new Set(ofOrders)).toEqual(new Set(['orders.new']));
    expect(new Set(ofUsers)).toEqual(new Set(['users.new']));
  });

  test('an event that was passed to a member arrives, even if a new event comes at the same moment', async () => {
    const keyPrefix = newPrefix();
    // Only a wake-up may make it read.
    const config = { url, keyPrefix, mode: 'streams', blockMs: 120_000, claimIdleMs: 600_000 } as const;
    const engine = await startEngine(config);
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const seen: unknown[] = [];
    await engine.subscribeAsync(
      'work',
      ({ payload }) => {
        seen.push(payload);
        return payload === 'first' ? gate : undefined;
      },
      { group: 'g', concurrency: 4 },
    );
    await engine.publish({ topic: 'work', payload: 'first', key: 'k' });
    await until('the first', () => seen.length === 1);
    const admin = adminOf(url);
    const keys = new StreamKeys(keyPrefix);
    const [stream, owners] = [keys.stream('work'), keys.owners('work', 'g')];
    const [, owner] = (await admin.hget(owners, 'k'))!.split(' ') as [string, string];
    const wakeStream = keys.wakePrefix + owner.split('.')[0]!;
    await until('the member to wait', async () => /cmd=xread/.test(String(await admin.client('LIST'))));
    // The script writes its own wake-up to a stream that nothing reads. The wake-up that is read arrives together with a new entry.
    const read = readGroup.evalArguments(
      [stream, owners],
      ['g', 'another.1', 10, firstId, 'work', `${keyPrefix}unheard:`, 0, 0],
    );
    await admin
      .multi()
      .xadd(wakeStream, '*', 'topic', 'work', 'group', 'g')
      .xadd(stream, '*', 'event', encoded('passed on'), 'key', 'k')
      .eval(...read)
      .xadd(stream, '*', 'event', encoded('new'))
      .exec();
    open();
    await waitFor('what was passed on', () => seen.includes('passed on'), { timeoutMs: 20_000 });
    await until('what is new', () => seen.length === 3);
    expect(new Set(seen)).toEqual(new Set(['first', 'new', 'passed on']));
  });

  test('the heartbeat finds events that were left without a wake-up, even if new events come all the time', async () => {
    const keyPrefix = newPrefix();
    const config = { url, keyPrefix, mode: 'streams', blockMs: 120_000, claimIdleMs: 1500 } as const;
    const engine = await startEngine(config);
    const seen: unknown[] = [];
    await engine.subscribe('work', ({ payload }) => void seen.push(payload), { group: 'g' });
    const publish = (payload: string): Promise<void> => engine.publish({ topic: 'work', payload });
    await publish('first');
    await until('the first', () => seen.length === 1);
    const keys = new StreamKeys(keyPrefix);
    const names = [keys.stream('work'), keys.owners('work', 'g')];
    const unheard = `${keyPrefix}unheard:`;
    const admin = adminOf(url);
    const [[, id] = []] = (await admin
      .multi()
      .xadd(names[0]!, '*', 'event', encoded('left behind'))
      .eval(...readGroup.evalArguments(names, ['g', 'another.1', 10, firstId, 'work', unheard, 0, 0]))
      .xadd(names[0]!, '*', 'event', encoded('new'))
      .exec()) as [null, string][];
    await admin.eval(...giveBack.evalArguments(names, ['g', 'another.1', 'work', unheard, id!, 0, '']));
    await waitFor(
      'what was left behind',
      async () => {
        await publish('more');
        return seen.includes('left behind');
      },
      { timeoutMs: 20_000 },
    );
  });

  test('events that other members left are handled without a pause, even if each read returns few of them', async () => {
    const keyPrefix = newPrefix();
    // Neither a heartbeat nor the end of a blocking read makes the member look again in time.
    const config = { url, keyPrefix, mode: 'streams', claimIdleMs: 600_000, blockMs: 600_000 } as const;
    const engine = await startEngine(config);
    await (await engine.subscribe('left', () => {}, { group: 'g' })).cancel();
    for (const payload of numbers) await engine.publish({ topic: 'left', payload });
    await adminOf(url).xreadgroup('GROUP', 'g', '_left', 'STREAMS', `${keyPrefix}left`, '>');
    const seen: unknown[] = [];
    await engine.subscribeAsync('left', ({ payload }) => void seen.push(payload), { group: 'g' });
    await until('all of it', () => seen.length === numbers.length);
    expect(seen).toEqual(numbers);
  });
});
