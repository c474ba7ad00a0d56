import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import { createEventBus } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FileCheckpointStore } from '../../src/stores/file-store.ts';
import { InvalidShardCountError, engines, kinesisEngine } from '../../src/index.ts';
import { addressOf, plainClient, quick } from '../read/foreign.ts';
import { LogLines, newStream, patient, startEngine, until } from '../support.ts';

describe('the configuration', () => {
  test.each([0, -1, 1.5, '2', null, Number.NaN])('refuses shardCount %s by name', (shardCount) => {
    const create = (): unknown => kinesisEngine({ shardCount: shardCount as number });
    expect(create).toThrow(InvalidShardCountError);
    expect(create).toThrow(expect.objectContaining({ code: 'INVALID_SHARD_COUNT' }));
  });

  test.each([
    [{ streamName: 'a b' }, 'streamName'],
    [{ endpoint: 'localhost:4566' }, 'endpoint'],
    [{ accessKeyId: 'a' }, 'secretAccessKey'],
    [{ sessionToken: 'a' }, 'accessKeyId'],
    [{ readsPerSecond: 0 }, 'readsPerSecond'],
    [{ maxRecordsPerRead: 10_001 }, 'maxRecordsPerRead'],
    [{ pollInterval: 'soon' }, 'pollInterval'],
    [{ pollInterval: '30d' }, 'pollInterval'],
    [{ client: {} }, 'client'],
    [{ checkpointStore: {} }, 'checkpointStore'],
    [{ checkpointStore: 'file' }, 'checkpointStore'],
    [{ checkpointStore: { type: 'disk', folder: 'a' } }, 'checkpointStore.type'],
    [{ checkpointStore: { type: 'file' } }, 'checkpointStore.folder'],
    [{ checkpointStore: { type: 'file', foldr: 'a' } }, 'folder'],
    [{ checkpointStore: { type: 'redis', url: 'localhost:6379' } }, 'checkpointStore.url'],
    [{ checkpointStore: { type: 'dynamodb', accessKeyId: 'a' } }, 'checkpointStore.secretAccessKey'],
    [{ leaseDurationMs: 100, checkpointIntervalMs: 90 }, 'leaseDurationMs'],
    [{ streamName: 'a..b' }, 'foreignTopic'],
    [{ streamname: 'a' }, 'streamName'],
  ])('refuses %j, naming %s', (config, name) => {
    expect(() => kinesisEngine(config as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(name) }),
    );
  });

  test('names the fields as in a bus with one engine', () => {
    const create = (): unknown => engines['kinesis']!({ externalBrokerUser: 'a' }, { name: 'k', path: '' });
    const message = expect.stringMatching(
      /^externalBrokerUser and externalBrokerPassword go together/,
    ) as string;
    expect(create).toThrow(
      expect.objectContaining({ problems: [{ path: 'externalBrokerPassword', message }] }) as Error,
    );
  });

  test('decides the capabilities: groups need a checkpoint store, and the engine is durable if the store outlives the process', () => {
    expect(kinesisEngine().capabilities).toMatchObject({
      durable: false,
      groups: false,
      replay: true,
      partitioned: true,
      crossProcess: true,
    });
    const checkpointStore = new FileCheckpointStore('/nowhere');
    expect(kinesisEngine({ checkpointStore }).capabilities).toMatchObject({ durable: true, groups: true });
    for (const named of [
      { type: 'file', folder: 'a' },
      { type: 'redis', url: 'redis://localhost' },
      { type: 'dynamodb' },
    ] as const) {
      const { capabilities } = kinesisEngine({ checkpointStore: named });
      expect(capabilities).toMatchObject({ durable: true, groups: true });
    }
    const inMemory = kinesisEngine({ checkpointStore: { type: 'memory' } }).capabilities;
    expect(inMemory).toMatchObject({ durable: false, groups: true });
    expect(Object.keys(engines)).toEqual(['kinesis']);
  });
});

describeWithBroker('kinesis', 'the stream', (kinesis) => {
  const address = addressOf(kinesis);
  const client = plainClient(kinesis);
  const config = { ...address, ...quick };

  const summaryOf = async (StreamName: string) =>
    (await client.send(new DescribeStreamSummaryCommand({ StreamName }))).StreamDescriptionSummary;

  test(
    'is created by the engine that starts first, with its shards or on demand; an existing stream is used unchanged',
    patient,
    async () => {
      const [streamName, onDemand] = [newStream(), newStream()];
      await Promise.all([
        startEngine({ ...config, streamName, shardCount: 3 }),
        startEngine({ ...config, streamName, shardCount: 3 }),
      ]);
      expect(await summaryOf(streamName)).toMatchObject({ OpenShardCount: 3, StreamStatus: 'ACTIVE' });
      await startEngine({ ...config, streamName, shardCount: 1 });
      expect((await summaryOf(streamName))?.OpenShardCount).toBe(3);
      await startEngine({ ...config, streamName: onDemand, onDemand: true });
      expect((await summaryOf(onDemand))?.StreamModeDetails?.StreamMode).toBe('ON_DEMAND');
    },
  );

  test('is shared by buses that set it by name or by the fields of a single engine', patient, async () => {
    const { endpoint, accessKeyId, secretAccessKey, region } = address;
    // Of one engine a bus knows no stream: it is the default one.
    const named = createEventBus({
      engine: 'kinesis',
      externalBrokerURL: endpoint,
      externalBrokerUser: accessKeyId,
      externalBrokerPassword: secretAccessKey,
    });
    const streamName = 'eventbus';
    const made = createEventBus({
      engines: [{ name: 'log', type: 'kinesis', config: { ...address, ...quick, region, streamName } }],
    });
    for (const bus of [named, made]) {
      await bus.start();
      onTestFinished(() => bus.stop());
    }
    const seen: unknown[] = [];
    const topic = newStream();
    await made.subscribe(`${topic}.*`, ({ payload }) => void seen.push(payload));
    await named.publish(`${topic}.created`, { id: 1 });
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual([{ id: 1 }]);
  });

  test('is used through a given client, which is not closed', patient, async () => {
    const streamName = newStream();
    const engine = await startEngine({ ...quick, client, streamName });
    await engine.publish({ topic: 'a', payload: 1 });
    await engine.stop();
    expect((await summaryOf(streamName))?.StreamStatus).toBe('ACTIVE');
  });

  test('has its lag reported per shard, and its leases in health()', patient, async () => {
    const checkpointStore = { type: 'memory' } as const;
    const engine = await startEngine({ ...config, streamName: newStream(), checkpointStore });
    await engine.subscribe('a.*', () => {});
    await engine.subscribe('b', () => {}, { group: 'g' });
    await until('both shards to have been read by both', async () => (await engine.lag!()).length === 4);
    const lags = await engine.lag!();
    expect(lags.map(({ topic, group, ms }) => [topic, group, ms])).toEqual([
      ['a.*', undefined, 0],
      ['a.*', undefined, 0],
      ['b', 'g', 0],
      ['b', 'g', 0],
    ]);
    expect((await engine.health()).details).toMatchObject({
      leases: { g: [expect.any(String), expect.any(String)] },
    });
  });

  test('causes a warning if a group keeps its checkpoints in memory', patient, async () => {
    const log = new LogLines();
    const checkpointStore = { type: 'memory' } as const;
    const engine = await startEngine({ ...config, streamName: newStream(), checkpointStore }, log);
    await engine.subscribe('a', () => {});
    expect(log.lines.join()).not.toContain('in memory');
    for (let n = 0; n < 2; n++) await engine.subscribe('a', () => {}, { group: 'g' });
    expect(log.lines.filter((line) => line.includes('in memory'))).toHaveLength(1);
  });
});
