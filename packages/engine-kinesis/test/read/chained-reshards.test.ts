import { describe, expect, test } from 'vitest';
import { FakeKinesis, keyWithin, overFake } from '../fake-kinesis.ts';
import { newStream, startEngine, storesById, until } from '../support.ts';

/** Kinds of subscriptions, by the options that make them. */
const kinds = [
  ['a subscription without a group', {}],
  ['a group', { group: 'g' }],
] as const;

describe.each(kinds)('%s', (_, options) => {
  test('reads the records between two reshards before the records after them', async () => {
    const fake = new FakeKinesis(2);
    const config = { ...overFake(fake), checkpointStore: storesById(newStream()) };
    const [engine, publisher] = [await startEngine(config), await startEngine(overFake(fake))];
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    // The end of this shard is not read before the gate opens.
    fake.rule = (operation, { ShardIterator }) =>
      operation === 'GetRecords' && ShardIterator.startsWith('shard-0 ') ? gate : undefined;
    const seen: unknown[] = [];
    await engine.subscribe('t', ({ payload }) => void seen.push(payload), options);
    const publish = (payload: string): Promise<void> =>
      publisher.publish({ topic: 't', payload, key: keyWithin(0.25, 0.5) });
    await publish('first');
    fake.split('shard-0', 'left', 'right');
    await publish('second');
    const listed = fake.count('ListShards');
    fake.merge('right', 'shard-1', 'child');
    await publish('third');
    await until('the end of the other shard to be read', () => fake.count('ListShards') > listed);
    // The child is known by now from the one parent, while the other parent has not been seen yet.
    open();
    await until('all events', () => seen.length === 3);
    expect(seen).toEqual(['first', 'second', 'third']);
  });
});
