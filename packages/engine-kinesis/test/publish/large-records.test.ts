import { PutRecordCommand } from '@aws-sdk/client-kinesis';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { aggregate } from '../../src/read/aggregation.ts';
import { addressOf, plainClient, quick } from '../read/foreign.ts';
import { newStream, patient, startEngine, storesById, until } from '../support.ts';

const event = (id: number, key: string): Buffer =>
  Buffer.from(JSON.stringify({ specversion: '1.0', id: `${id}`, source: 's', type: 'a', partitionkey: key }));

describeWithBroker('kinesis', 'an aggregated record with very many user records', (kinesis) => {
  const client = plainClient(kinesis);

  test.each<[string, number, (id: number) => Buffer]>([
    ['events of one key', 8000, (id) => event(id, 'one')],
    ['events of many keys', 8000, (id) => event(id, `key-${id % 1000}`)],
    ['no events at all', 150_000, () => Buffer.from('')],
  ])('is handled completely, and so are later events: %s', patient, async (_, count, make) => {
    const streamName = newStream();
    const config = { ...addressOf(kinesis), ...quick, shardCount: 1, streamName, foreignTopic: 'a' };
    const engine = await startEngine({ ...config, checkpointStore: storesById(streamName) });
    const orders: Record<'plain' | 'shared', string[]> = { plain: [], shared: [] };
    // Without dead letters: each would be a call to the server.
    const options = { deadLetter: false } as const;
    await engine.subscribe('a', ({ id }) => void orders.plain.push(id), options);
    await engine.subscribe('a', ({ id }) => void orders.shared.push(id), { ...options, group: 'g' });
    const Data = aggregate(
      'key',
      Array.from({ length: count }, (__, id) => make(id)),
    );
    await client.send(new PutRecordCommand({ StreamName: streamName, Data, PartitionKey: 'key' }));
    await engine.publish({ topic: 'a', id: 'after', payload: 1 });
    await until('the last event', () => Object.values(orders).every((ids) => ids.at(-1) === 'after'));
    const ids = count === 8000 ? Array.from({ length: count }, (__, id) => `${id}`) : [];
    expect(orders.plain.toSorted()).toEqual([...ids, 'after'].toSorted());
    expect(orders.shared.toSorted()).toEqual([...ids, 'after'].toSorted());
    expect(engine.stats().delivered).toBe(2 * (count + 1));
  });
});
