import { expect, onTestFinished, test, vi } from 'vitest';
import { FakeKinesis, named, overFake } from '../fake-kinesis.ts';
import { startEngine } from '../support.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('no request exceeds the limits of PutRecords: 500 records, and 5 MiB', async () => {
  const fake = new FakeKinesis();
  const engine = await startEngine(overFake(fake));
  const sizes = [...Array<number>(1200).fill(10), ...Array<number>(30).fill(900_000)];
  const publish = (size: number, n: number): Promise<void> =>
    engine.publish({ topic: 'a', payload: 'x'.repeat(size), key: `key-${n}` });
  await Promise.all(sizes.map(publish));
  const requests = fake.calls.flatMap(({ operation, input }) =>
    operation === 'PutRecords' ? [input.Records] : [],
  );
  expect(requests.flat()).toHaveLength(sizes.length);
  for (const records of requests) {
    expect(records.length).toBeLessThanOrEqual(500);
    const bytes = records.reduce(
      (sum, { Data = '', PartitionKey = '' }) => sum + Data.length + PartitionKey.length,
      0,
    );
    expect(bytes).toBeLessThanOrEqual(5 * 1024 * 1024);
  }
});

test('new keys do not add requests at full rate to a stream that is throttled', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  onTestFinished(() => void vi.restoreAllMocks());
  const fake = new FakeKinesis();
  const engine = await startEngine(overFake(fake));
  let isThrottled = true;
  fake.rule = (operation) =>
    operation === 'PutRecords' && isThrottled ? named('ProvisionedThroughputExceededException') : undefined;
  const publishing: Promise<void>[] = [];
  for (let n = 0; n < 500; n++) {
    publishing.push(engine.publish({ topic: 'a', payload: n, key: `key-${n}` }));
    await turn();
  }
  expect(fake.count('PutRecords')).toBeLessThan(20);
  isThrottled = false;
  await Promise.all(publishing);
});

test('a record that the server rejects is refused alone, without the other records of its request', async () => {
  const fake = new FakeKinesis();
  const engine = await startEngine(overFake(fake));
  fake.rule = (operation, { Records }) => {
    if (operation !== 'PutRecords') return undefined;
    const isLarge = Records.some(({ Data = '' }) => Data.length > 2000);
    return isLarge ? named('InvalidArgumentException', 'a record is too large') : undefined;
  };
  const publish = (n: number): Promise<void> =>
    engine.publish({ topic: 'a', payload: 'x'.repeat(n === 7 ? 5000 : 10), key: `key-${n}` });
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => publish(n)));
  const refused = results.flatMap((result, n) => (result.status === 'rejected' ? [n] : []));
  expect(refused).toEqual([7]);
  expect(results[7]).toMatchObject({ reason: { code: 'PUBLISH_FAILED' } });
  expect([...fake.shards.values()].flatMap(({ records }) => records)).toHaveLength(19);
});
