import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '@polybus/core/engine';
import type { KinesisConnection } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { DynamoDBCheckpointStore } from '../../src/stores/dynamodb-store.ts';
import { FileCheckpointStore } from '../../src/stores/file-store.ts';
import { type CheckpointStore, MemoryCheckpointStore } from '../../src/index.ts';
import { RedisCheckpointStore } from '../../src/stores/redis-store.ts';
import { addressOf, quick } from '../read/foreign.ts';
import { localDynamoDB } from '../local-dynamodb.ts';
import { Seen, leasesOf, newStream, patient, startEngine, until } from '../support.ts';

/** The tests of a group for every store. `open` returns another instance on the same documents, as in another process. */
function groupCases(kinesis: KinesisConnection, open: () => CheckpointStore): void {
  const configOf = (streamName: string, shardCount: number) => ({
    ...addressOf(kinesis),
    ...quick,
    shardCount,
    streamName,
    leaseDurationMs: 2000,
  });

  test('shares its shards, hands them over, and continues at its checkpoints', patient, async () => {
    const config = configOf(newStream(), 4);
    const start = () => startEngine({ ...config, checkpointStore: open() });
    const [first, second] = [await start(), await start()];
    const seen = new Seen();
    for (const one of [first, second]) await one.subscribe('work', seen.handler, { group: 'g' });
    await until('each to have two shards', async () => {
      const all = await Promise.all([leasesOf(first, 'g'), leasesOf(second, 'g')]);
      return all.every(({ length }) => length === 2);
    });
    const publish = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++)
        await first.publish({ topic: 'work', payload: n, key: `key-${n % 10}` });
      await until(`${to} events`, () => new Set(seen.numbers).size === to);
    };
    await publish(0, 40);
    await second.stop();
    await until('the other to have all', async () => (await leasesOf(first, 'g')).length === 4);
    await publish(40, 60);
    await first.stop();
    const third = await start();
    await third.subscribe('work', seen.handler, { group: 'g' });
    await third.publish({ topic: 'work', payload: 60 });
    await until('the last event', () => seen.numbers.includes(60));
    expect(seen.numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 61 }, (_, n) => n));
    expect(seen.disorder).toEqual([]);
  });

  test('supports topics and groups of any name, and continues in each', patient, async () => {
    const names = ['constructor', 'toString', 'hasOwnProperty', '__proto__'];
    const streamName = newStream();
    const start = () => startEngine({ ...configOf(streamName, 1), checkpointStore: open() });
    const seen = new Set<string>();
    const subscribeAll = async (engine: Engine): Promise<void> => {
      const subscribing = names.flatMap((group) =>
        [...names, 'normal', '__*'].map((pattern) =>
          engine.subscribe(
            pattern,
            ({ payload }) => void seen.add(`${group}/${pattern}: ${Number(payload)}`),
            {
              group,
            },
          ),
        ),
      );
      await Promise.all(subscribing);
    };
    const publishAll = async (engine: Engine, payload: number): Promise<void> => {
      await Promise.all([...names, 'normal', '__other'].map((topic) => engine.publish({ topic, payload })));
    };
    const wanted = (payload: number): string[] =>
      names.flatMap((group) =>
        [...names, 'normal', '__*'].map((pattern) => `${group}/${pattern}: ${payload}`),
      );
    const first = await start();
    await subscribeAll(first);
    await publishAll(first, 1);
    await until('the first event of each', () => seen.size === wanted(1).length);
    await first.stop();
    const second = await start();
    await publishAll(second, 2);
    await subscribeAll(second);
    expect(Object.keys((await second.health()).details?.['leases'] as object).toSorted()).toEqual(
      names.toSorted(),
    );
    await until('the second event of each', () => seen.size === 2 * wanted(1).length);
    expect([...seen].toSorted()).toEqual([...wanted(1), ...wanted(2)].toSorted());
  });

  test('keeps a shard at a member whose handler runs longer than a lease lasts', patient, async () => {
    const config = configOf(newStream(), 1);
    const start = () => startEngine({ ...config, checkpointStore: open() });
    const [slow, other] = [await start(), await start()];
    const [bySlow, byOther]: [unknown[], unknown[]] = [[], []];
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const handler = ({ payload }: { payload: unknown }): Promise<void> => {
      bySlow.push(payload);
      return gate;
    };
    await slow.subscribe('work', handler, { group: 'g' });
    await other.subscribe('work', ({ payload }) => void byOther.push(payload), { group: 'g' });
    for (const n of [1, 2]) await other.publish({ topic: 'work', payload: n, key: 'key' });
    await until('the first event', () => bySlow.length === 1);
    const since = performance.now();
    await until('three leases to pass', () => performance.now() - since > 3 * config.leaseDurationMs);
    expect([bySlow, byOther]).toEqual([[1], []]);
    release();
    await until('the second event', () => bySlow.length === 2);
    expect([bySlow, byOther]).toEqual([[1, 2], []]);
  });
}

describeWithBroker('kinesis', 'a group whose leases are in memory', (kinesis) => {
  const store = new MemoryCheckpointStore();
  groupCases(kinesis, () => store);
});

describeWithBroker('kinesis', 'a group whose leases are in files', async (kinesis) => {
  const folder = await mkdtemp(join(tmpdir(), 'polybus-leases-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  groupCases(kinesis, () => new FileCheckpointStore(folder));
});

describeWithBroker('kinesis', 'a group whose leases are in DynamoDB', async (kinesis) => {
  const client = await localDynamoDB();
  const open = (): DynamoDBCheckpointStore => new DynamoDBCheckpointStore(client, { tableName: 'leases' });
  await open().createTable();
  groupCases(kinesis, open);
});

describeWithBroker('redis', 'a group with a store in Redis', ({ url }) => {
  describeWithBroker('kinesis', 'whose leases are in it', (kinesis) => {
    const client = new Redis(url);
    afterAll(() => client.disconnect());
    const keyPrefix = `t-${randomUUID()}:`;
    groupCases(kinesis, () => new RedisCheckpointStore(client, { keyPrefix }));
  });
});
