import { getEventListeners } from 'node:events';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { FaultProxy, everyNth } from '../fault-proxy.ts';
import { addressOf, quick } from '../read/foreign.ts';
import { Flow, Seen, newStream, patient, startEngine, storesById, until } from '../support.ts';

const throttled = { status: 400, type: 'ProvisionedThroughputExceededException' } as const;
const expired = { status: 400, type: 'ExpiredIteratorException' } as const;
const broken = { status: 500, type: 'InternalFailure' } as const;

describeWithBroker('kinesis', 'faults of the service', (kinesis) => {
  const configOf = (streamName: string) => ({
    ...addressOf(kinesis),
    ...quick,
    streamName,
    checkpointStore: storesById(streamName),
    leaseDurationMs: 60_000,
    publishTimeoutMs: 30_000,
  });

  const bufferSize = 10_000;

  test(
    'rejected records of a request are sent again, once each and in the order of their keys',
    patient,
    async () => {
      const config = configOf(newStream());
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const publisher = await startEngine({ ...config, endpoint: proxy.endpoint });
      const seen = new Seen();
      await (await startEngine(config)).subscribe<number>('load', seen.handler, { bufferSize });
      let calls = 0;
      proxy.rule = ({ operation, body }) => {
        if (operation !== 'PutRecords') return undefined;
        const { length } = body['Records'] as unknown[];
        const refused = new Set<number>();
        for (let i = 0; i < length; i++) if ((i + calls) % 3 === 0) refused.add(i);
        calls++;
        const reason = calls % 2 === 0 ? 'ProvisionedThroughputExceededException' : 'InternalFailure';
        return calls <= 8 ? { refused, reason } : undefined;
      };
      const publishing = Array.from({ length: 60 }, (_, n) =>
        publisher.publish({ topic: 'load', payload: n, key: `key-${n % 6}` }),
      );
      await Promise.all(publishing);
      await until('every event', () => seen.numbers.length >= 60);
      expect(seen.disorder).toEqual([]);
      expect([...seen.numbers].sort((a, b) => a - b)).toEqual(publishing.map((_, n) => n));
      expect(calls).toBeGreaterThan(8);
    },
  );

  test('publishing survives 500s, throttling, missing and lost answers', patient, async () => {
    const config = configOf(newStream());
    const proxy = await FaultProxy.to(kinesis.endpoint);
    const publisher = await startEngine({ ...config, endpoint: proxy.endpoint, requestTimeoutMs: 5000 });
    const seen = new Set<unknown>();
    await (await startEngine(config)).subscribe('load', ({ payload }) => void seen.add(payload));
    proxy.rule = everyNth(2, 'PutRecords', broken, throttled, 'silence', 'lost answer');
    for (let round = 0; round < 3; round++) {
      const publish = (n: number): Promise<void> =>
        publisher.publish({ topic: 'load', payload: n, key: `${n % 4}` });
      await Promise.all(Array.from({ length: 12 }, (_, n) => publish(round * 12 + n)));
    }
    await until('every event', () => seen.size === 36);
  });

  test(
    'reading survives throttling, expired iterators, 500s and missing answers, without loss or repetition',
    patient,
    async () => {
      const config = configOf(newStream());
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const reader = await startEngine({ ...config, endpoint: proxy.endpoint, requestTimeoutMs: 5000 });
      const publisher = await startEngine(config);
      const [plain, grouped] = [new Seen(), new Seen()];
      const onRecords = everyNth(3, 'GetRecords', expired, throttled, broken, 'silence', 'lost answer');
      const onIterators = everyNth(4, 'GetShardIterator', throttled, broken);
      await reader.subscribe<number>('load', plain.handler, { bufferSize });
      await reader.subscribeAsync<number>('lo*', grouped.handler, { bufferSize, group: 'g' });
      proxy.rule = (call) => onRecords(call) ?? onIterators(call);
      const flow = new Flow(publisher, 'load');
      const reads = (): number => proxy.counts.get('GetRecords') ?? 0;
      await until('a good many reads', () => reads() >= 60);
      await flow.end();
      for (const seen of [plain, grouped]) {
        await until('every event', () => seen.hasAll(flow.accepted));
        expect(seen.disorder).toEqual([]);
        expect(new Set(seen.numbers).size).toBe(seen.numbers.length);
      }
    },
  );

  test('an iterator that expires before its first read loses no record', patient, async () => {
    const config = configOf(newStream());
    const proxy = await FaultProxy.to(kinesis.endpoint);
    const reader = await startEngine({ ...config, endpoint: proxy.endpoint });
    const publisher = await startEngine(config);
    const isAllowed = new Set<string>();
    let isOver = false;
    // Every earlier iterator is refused, as after a long outage. Only a new iterator is valid.
    proxy.rule = ({ operation, body }) => {
      const iterator = String(body['ShardIterator']);
      if (operation !== 'GetRecords' || isOver) return undefined;
      isAllowed.add(iterator);
      return expired;
    };
    const [plain, grouped] = [new Set<unknown>(), new Set<unknown>()];
    await reader.subscribe('load', ({ payload }) => void plain.add(payload));
    await reader.subscribe('load', ({ payload }) => void grouped.add(payload), { group: 'g' });
    for (let n = 0; n < 10; n++) await publisher.publish({ topic: 'load', payload: n, key: `${n}` });
    await until('iterators to have been asked for again', () => isAllowed.size >= 4);
    isOver = true;
    await until('every event', () => plain.size === 10 && grouped.size === 10);
  });

  test(
    'a publish that is aborted before it is sent is never sent, and later events of its key are',
    patient,
    async () => {
      const config = { ...configOf(newStream()), shardCount: 1 };
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const engine = await startEngine({ ...config, endpoint: proxy.endpoint, requestTimeoutMs: 2000 });
      const keys = ['one', 'two'];
      // The first request of each key hangs: what comes after it waits.
      proxy.rule = ({ operation }) => (operation === 'PutRecords' ? 'silence' : undefined);
      const publish = (payload: string, key: string, signal?: AbortSignal): Promise<void> =>
        engine.publish({ topic: 'a', payload, key }, { signal });
      const first = Promise.all(keys.map((key) => publish('first', key)));
      await until('the first request', () => proxy.counts.get('PutRecords') === 1);
      const giveUp = new AbortController();
      const aborted = Array.from({ length: 300 }, (_, n) =>
        publish('aborted', keys[n % 2]!, giveUp.signal).then(
          () => 'published',
          (error: unknown) => error,
        ),
      );
      expect(getEventListeners(giveUp.signal, 'abort')).toHaveLength(1);
      const last = Promise.all(keys.map((key) => publish('last', key)));
      const reason = new Error('not wanted any more');
      giveUp.abort(reason);
      expect(new Set(await Promise.all(aborted))).toEqual(new Set([reason]));
      proxy.rule = () => undefined;
      await Promise.all([first, last]);
      const seen: unknown[] = [];
      await engine.subscribe('a', ({ payload }) => void seen.push(payload), { from: 'earliest' });
      await until('the last events', () => seen.filter((payload) => payload === 'last').length === 2);
      expect(seen.map(String).toSorted()).toEqual(['first', 'first', 'last', 'last']);
      expect(getEventListeners(giveUp.signal, 'abort')).toEqual([]);
    },
  );

  test('publishes with a shared signal leave no listener at it', patient, async () => {
    const engine = await startEngine(configOf(newStream()));
    const { signal } = new AbortController();
    const publishing = Array.from({ length: 50 }, (_, n) =>
      engine.publish({ topic: 'a', payload: n, key: `${n}` }, { signal }),
    );
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await Promise.all(publishing);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test(
    'a lasting error rejects at once, and endless throttling rejects at the timeout',
    patient,
    async () => {
      const config = configOf(newStream());
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const engine = await startEngine({ ...config, endpoint: proxy.endpoint });
      const hasty = await startEngine({ ...config, endpoint: proxy.endpoint, publishTimeoutMs: 500 });
      proxy.rule = everyNth(1, 'PutRecords', { status: 400, type: 'AccessDeniedException' });
      await expect(engine.publish({ topic: 'a', payload: 1 })).rejects.toMatchObject({
        code: 'PUBLISH_FAILED',
        topic: 'a',
        message: expect.stringContaining('kinesis:PutRecords'),
      });
      expect(proxy.counts.get('PutRecords')).toBe(1);
      proxy.rule = everyNth(1, 'PutRecords', throttled);
      await expect(hasty.publish({ topic: 'a', payload: 2 })).rejects.toMatchObject({
        code: 'PUBLISH_FAILED',
        message: expect.stringContaining('add shards'),
      });
      expect(proxy.counts.get('PutRecords')).toBeGreaterThan(2);
      proxy.rule = () => undefined;
      await engine.publish({ topic: 'a', payload: 3 });
    },
  );

  test(
    'a process reads a shard at most five times per second, for all its subscriptions',
    patient,
    async () => {
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const config = { ...configOf(newStream()), shardCount: 1, pollInterval: 1, readsPerSecond: 5 };
      const engine = await startEngine({ ...config, endpoint: proxy.endpoint });
      const began = performance.now();
      await engine.subscribe('a', () => {});
      await engine.subscribe('*', () => {}, { from: 'earliest' });
      await engine.subscribe('a', () => {}, { group: 'g' });
      await engine.subscribe('a', () => {}, { group: 'h' });
      const reads = (): number => proxy.counts.get('GetRecords') ?? 0;
      await until('ten reads', () => reads() >= 10);
      // From before the first of them: a machine that is busy makes this longer, and never shorter.
      expect(reads() - 1).toBeLessThanOrEqual((performance.now() - began) / 200);
    },
  );

  test('subscriptions at the same position share a read', patient, async () => {
    const proxy = await FaultProxy.to(kinesis.endpoint);
    const config = { ...configOf(newStream()), shardCount: 1, pollInterval: '1h' };
    const engine = await startEngine({ ...config, endpoint: proxy.endpoint });
    let seen = 0;
    const reads = (): number => proxy.counts.get('GetRecords') ?? 0;
    for (let n = 0; n < 5; n++) {
      await engine.subscribe('a', () => void seen++);
      await engine.subscribe('a', () => void seen++, { group: `g-${n}` });
    }
    // The publisher notifies the reader of each event, so no poll is needed.
    for (let n = 1; n <= 5; n++) {
      await engine.publish({ topic: 'a', payload: n });
      await until('the event at all ten', () => seen === 10 * n);
    }
    const before = reads();
    for (let n = 6; n <= 10; n++) {
      await engine.publish({ topic: 'a', payload: n });
      await until('the event at all ten', () => seen === 10 * n);
    }
    // Ten each would be fifty.
    expect(reads() - before).toBeLessThan(25);
  });
});
