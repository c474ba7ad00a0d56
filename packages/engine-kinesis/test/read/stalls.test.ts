import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { type Fault, FaultProxy } from '../fault-proxy.ts';
import { addressOf, quick } from './foreign.ts';
import { LogLines, newStream, patient, startEngine, storesById, until } from '../support.ts';

describeWithBroker('kinesis', 'health() while reading stalls', (kinesis) => {
  test.each<[string, Fault, RegExp]>([
    ['reads are not answered', 'silence', /a read is not answered|no answer in 100 ms/],
    ['reads fail', { status: 500, type: 'InternalFailure' }, /reads fail \(InternalFailure/],
    [
      'reads give nothing although there is something',
      { change: (answer) => ({ ...answer, Records: [], MillisBehindLatest: 5000 }) },
      /there are records to read \(5000 ms behind\)/,
    ],
    ['the server cuts its answers', 'lost answer', /reads fail/],
  ])('is degraded and contains the reason: %s', patient, async (_, fault, reason) => {
    const streamName = newStream();
    const proxy = await FaultProxy.to(kinesis.endpoint);
    const log = new LogLines();
    const config = {
      ...addressOf(kinesis),
      ...quick,
      shardCount: 1,
      endpoint: proxy.endpoint,
      streamName,
      checkpointStore: storesById(streamName),
      leaseDurationMs: 60_000,
      stallLimitMs: 1000,
    };
    const engine = await startEngine(config, log);
    // A short timeout only for calls that get no answer.
    const timeouts = fault === 'silence' ? { requestTimeoutMs: 100 } : {};
    const reader = await startEngine({ ...config, ...timeouts }, log);
    const [plain, shared]: [unknown[], unknown[]] = [[], []];
    await reader.subscribe('stalled', ({ payload }) => void plain.push(payload));
    await reader.subscribe('stalled', ({ payload }) => void shared.push(payload), { group: 'g' });
    await engine.publish({ topic: 'stalled', payload: 1 });
    await until('the first event', () => plain.length === 1 && shared.length === 1);
    expect((await engine.health()).status).toBe('up');
    proxy.rule = ({ operation }) => (operation === 'GetRecords' ? fault : undefined);
    let error = '';
    await until('both to be told of', async () => {
      const health = await reader.health();
      ({ error = '' } = health);
      return (
        health.status === 'degraded' &&
        error.includes('for "stalled" has') &&
        error.includes('in the group "g"')
      );
    });
    expect(error).toMatch(/shard shardId-0+ of "t-.*" for "stalled" has made no progress for \d+ ms: /);
    expect(error).toMatch(reason);
    expect(log.lines.filter((line) => line.includes('has made no progress'))).not.toEqual([]);
    await engine.publish({ topic: 'stalled', payload: 2 });
    proxy.rule = () => undefined;
    await until('health to be up', async () => (await reader.health()).status === 'up');
    await engine.publish({ topic: 'stalled', payload: 3 });
    await until('the last event', () => plain.at(-1) === 3 && shared.at(-1) === 3);
    // Records that the proxy removed from an answer are lost. It may have been too late for the second event.
    const all = typeof fault === 'object' && 'change' in fault ? [1, 3] : [1, 2, 3];
    for (const seen of [plain, shared]) expect(seen).toEqual(expect.arrayContaining(all));
  });

  test(
    'ends if smaller answers arrive in time: a read without an answer is repeated with fewer records',
    patient,
    async () => {
      const streamName = newStream();
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const config = { ...addressOf(kinesis), ...quick, shardCount: 1, streamName };
      const publisher = await startEngine({ ...config, checkpointStore: storesById(streamName) });
      const reader = await startEngine({
        ...config,
        endpoint: proxy.endpoint,
        requestTimeoutMs: 200,
        checkpointStore: storesById(streamName),
      });
      const seen: unknown[] = [];
      await reader.subscribe('large', ({ payload }) => void seen.push(payload), { group: 'g' });
      // As over a slow network: what is larger than three records takes too long.
      proxy.rule = ({ operation, body }) =>
        operation === 'GetRecords' && (body['Limit'] as number) > 3 ? 'silence' : undefined;
      const numbers = Array.from({ length: 20 }, (_, n) => n);
      for (const payload of numbers) await publisher.publish({ topic: 'large', payload, key: 'k' });
      await until('each event', () => seen.length >= numbers.length);
      expect(seen).toEqual(numbers);
    },
  );

  test('is up if no event arrives for longer than the limit', patient, async () => {
    const streamName = newStream();
    const config = { ...addressOf(kinesis), ...quick, streamName, checkpointStore: storesById(streamName) };
    const engine = await startEngine({ ...config, stallLimitMs: 250 });
    await engine.subscribe('idle', () => {});
    await engine.subscribe('idle', () => {}, { group: 'g' });
    const since = performance.now();
    const said = new Set<string>();
    await until('four limits to pass', async () => {
      const { status, error } = await engine.health();
      said.add(`${status} ${error ?? ''}`);
      return performance.now() - since > 1000;
    });
    expect([...said]).toEqual(['up ']);
  });
});
