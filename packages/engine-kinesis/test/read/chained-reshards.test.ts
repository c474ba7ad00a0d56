import { describe, expect, test } from 'vitest';
import { FakeKinesis, keyWithin, overFake } from '../fake-kinesis.ts';
import { newStream, startEngine, storesById, until } from '../support.ts';

/** Kinds of subscriptions, by the options that make them. */
const kinds = [
  ['a subscription without a group', {}],
  ['a group', { group: 'g' }],
] as const;

describe.each(kinds)('%s', (_, options) => {
  test('reads what comes between two reshards before what comes after them', async () => {
    const fake = new FakeKinesis(2);
    const config = { ...overFake(fake), checkpointStore: storesById(newStream()) };
    const [engine, publisher] = [await startEngine(config), await startEngine(overFake(fake))];
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const seen: unknown[] = [];
    const handler = async ({ payload }: { payload: unknown }): Promise<void> => {
      if (payload === 'backlog') await gate;
      else seen.push(payload);
    };
    await engine.subscribe('t', handler, { ...options, bufferSize: 4 });
    const key = keyWithin(0.25, 0.5);
    const publish = (payload: string, of = key): Promise<void> =>
      publisher.publish({ topic: 't', payload, key: of });
    // More than the buffer takes: the end of the shard is not read while they wait.
    for (let n = 0; n < 12; n++) await publish('backlog', keyWithin(0, 0.25));
    await publish('first');
    await until('the backlog to be read', () => fake.count('GetRecords') > 2);
    fake.split('shard-0', 'left', 'right');
    await publish('second');
    fake.merge('right', 'shard-1', 'child');
    await publish('third');
    const reads = fake.count('GetRecords');
    await until(
      'the other shard to be read',
      () => fake.count('GetRecords') > reads || fake.count('ListShards') > 1,
    );
    // The child is known by now from the one parent, while the other parent has not been seen yet.
    open();
    await until('all events', () => seen.length === 3);
    expect(seen).toEqual(['first', 'second', 'third']);
  });
});
