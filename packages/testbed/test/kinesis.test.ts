import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  PutRecordCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect as openSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { startKinesis, waitFor, type KinesisBroker, type KinesisConnection } from '../src/index.ts';
import { describeWithBroker } from '../src/vitest/vitest.ts';
import { markThisProcess } from './support/leftovers.ts';
import { startLoad } from './support/load.ts';

const SHARD = 'shardId-000000000000';

function connect({ endpoint, region, credentials }: KinesisConnection): KinesisClient {
  const client = new KinesisClient({
    endpoint,
    region,
    credentials: { ...credentials },
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 1_000,
      requestTimeout: 2_000,
      throwOnRequestTimeout: true,
    }),
  });
  onTestFinished(() => {
    client.destroy();
  });
  return client;
}

async function createStream(client: KinesisClient, name: string): Promise<void> {
  await client.send(new CreateStreamCommand({ StreamName: name, ShardCount: 1 }));
  await waitFor(
    'the stream to be active',
    async () => {
      const summary = await client.send(new DescribeStreamSummaryCommand({ StreamName: name }));
      return summary.StreamDescriptionSummary?.StreamStatus === 'ACTIVE';
    },
    { timeoutMs: 10_000 },
  );
}

function put(client: KinesisClient, stream: string, value: string): Promise<unknown> {
  return client.send(
    new PutRecordCommand({ StreamName: stream, PartitionKey: value, Data: Buffer.from(value) }),
  );
}

/** The first records of a stream of one shard. */
async function readSome(client: KinesisClient, stream: string): Promise<void> {
  const start = { StreamName: stream, ShardId: SHARD, ShardIteratorType: 'TRIM_HORIZON' } as const;
  const { ShardIterator } = await client.send(new GetShardIteratorCommand(start));
  await client.send(new GetRecordsCommand({ ShardIterator, Limit: 10 }));
}

/** All that a stream of one shard holds. */
async function readAll(client: KinesisClient, stream: string): Promise<readonly string[]> {
  const start = { StreamName: stream, ShardId: SHARD, ShardIteratorType: 'TRIM_HORIZON' } as const;
  let { ShardIterator: iterator } = await client.send(new GetShardIteratorCommand(start));
  const values: string[] = [];
  for (;;) {
    const page = await client.send(new GetRecordsCommand({ ShardIterator: iterator ?? '' }));
    for (const { Data } of page.Records ?? []) values.push(Buffer.from(Data ?? []).toString());
    if ((page.Records ?? []).length === 0 && page.MillisBehindLatest === 0) return values;
    iterator = page.NextShardIterator;
  }
}

test('a local Kinesis that cannot write its data rejects its restart, and is empty after the next restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polybus-unwritable-'));
  vi.stubEnv('TMPDIR', folder);
  const broker = await startKinesis({ controllable: true, providers: ['local'] }).finally(() => {
    vi.unstubAllEnvs();
  });
  onTestFinished(async () => {
    await broker.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const client = connect(broker);
  await createStream(client, 'kept');
  await broker.restart();
  await put(client, 'kept', 'one');
  const [own = ''] = await readdir(folder);
  const data = join(folder, own, 'data');
  // Nothing can be written into a path that is not a folder.
  await rm(data, { recursive: true });
  await writeFile(data, '');
  await expect(broker.restart()).rejects.toThrow('has lost its data');
  await broker.restart();
  await createStream(client, 'kept');
  expect(await readAll(client, 'kept')).toEqual([]);
});

describeWithBroker('kinesis', 'a Kinesis of the run', (kinesis) => {
  test('stores records and returns them', async () => {
    const client = connect(kinesis);
    const stream = `testbed-${String(process.pid)}`;
    await createStream(client, stream);
    await put(client, stream, 'one');
    await put(client, stream, 'two');
    expect(await readAll(client, stream)).toEqual(['one', 'two']);
  });

  describe('a separate Kinesis', () => {
    const traces = markThisProcess();
    let broker: KinesisBroker;
    beforeAll(async () => {
      broker = await startKinesis({ controllable: true });
    });
    afterAll(async () => {
      await broker.stop();
      traces.clear();
    });

    test(
      'has every confirmed record after a restart under load, if it keeps data',
      { timeout: 240_000 },
      async () => {
        const client = connect(broker);
        await createStream(client, 'load');
        // Several writers and readers: it is asked for something at every moment, that of its end too.
        const writers = Array.from({ length: 4 }, (_, i) =>
          startLoad((value) => put(client, 'load', `${String(i)}${value}`)),
        );
        const readers = Array.from({ length: 4 }, () => startLoad(() => readSome(client, 'load')));
        const confirmed = (): string[] =>
          writers.flatMap((load, i) => load.confirmed.map((value) => `${String(i)}${value}`));
        const more = (count: number): Promise<unknown> => {
          const goal = confirmed().length + count;
          return waitFor('some load', () => confirmed().length > goal, { timeoutMs: 60_000 });
        };
        for (let restart = 0; restart < 2; restart++) {
          await more(50);
          await broker.restart();
          if (!broker.keepsData) await createStream(client, 'load');
        }
        const before = new Set(confirmed());
        await more(20);
        await Promise.all([...writers, ...readers].map((load) => load.stop()));
        const wanted = broker.keepsData ? confirmed() : confirmed().filter((value) => !before.has(value));
        const kept = new Set(await readAll(client, 'load'));
        expect(wanted.filter((value) => !kept.has(value))).toEqual([]);
        for (const load of writers) expect(load.failures).toBeGreaterThan(0);
      },
    );

    test('does not answer while it is paused, and answers after it is resumed', async () => {
      const client = connect(broker);
      await createStream(client, 'paused');
      await broker.pause();
      await expect(put(client, 'paused', 'unheard')).rejects.toThrow(/timed? ?out/i);
      await broker.resume();
      await waitFor('an answer', () => put(client, 'paused', 'heard'), { timeoutMs: 10_000 });
    });

    test('answers although clients have reset connections before it accepted them', async () => {
      const { hostname, port } = new URL(broker.endpoint);
      await broker.pause();
      for (let n = 0; n < 20; n++) {
        const socket = openSocket(Number(port), hostname);
        await once(socket, 'connect');
        socket.resetAndDestroy();
      }
      await broker.resume();
      const client = connect(broker);
      await waitFor('an answer', () => createStream(client, 'reset').then(() => true), { timeoutMs: 20_000 });
    });

    test('has the same address and no data after a kill and a restart', async () => {
      const client = connect(broker);
      await createStream(client, 'lost');
      await broker.kill();
      await expect(put(client, 'lost', 'unheard')).rejects.toThrow('ECONNREFUSED');
      await broker.restart();
      await createStream(client, 'lost');
      expect(await readAll(client, 'lost')).toEqual([]);
    });

    test('leaves nothing behind after a stop', async () => {
      await broker.stop();
      expect(await traces.gone([Number(new URL(broker.endpoint).port)])).toEqual([]);
    });
  });
});
