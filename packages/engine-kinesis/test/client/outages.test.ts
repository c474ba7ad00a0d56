import {
  CreateStreamCommand,
  DeleteStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
} from '@aws-sdk/client-kinesis';
import { createEventBus } from '@polybus/core';
import { startLater } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { expect, onTestFinished, test } from 'vitest';
import { kinesisEngine } from '../../src/index.ts';
import { addressOf, ownKinesis, plainClient, quick } from '../read/foreign.ts';
import {
  Flow,
  LogLines,
  Seen,
  makeEngine,
  newStream,
  patient,
  startEngine,
  storesById,
  until,
} from '../support.ts';

describeWithBroker('kinesis', 'outages', async () => {
  const broker = await ownKinesis();

  const configOf = (streamName: string) => ({
    ...addressOf(broker),
    ...quick,
    streamName,
    checkpointStore: storesById(streamName),
  });

  test(
    'lose no accepted event while the server restarts twice under load, in a group and without',
    patient,
    async () => {
      const config = configOf(newStream());
      const [publisher, consumer] = [await startEngine(config), await startEngine(config)];
      const [grouped, plain] = [new Seen(), new Seen()];
      await consumer.subscribeAsync<number>('load', grouped.handler, { bufferSize: 10_000, group: 'g' });
      await consumer.subscribe<number>('lo*', plain.handler, { bufferSize: 10_000 });
      const flow = new Flow(publisher, 'load');
      for (let restart = 0; restart < 2; restart++) {
        await flow.reaches(40);
        await broker.restart();
      }
      await flow.reaches(40);
      await flow.end();
      for (const seen of [grouped, plain]) {
        await until('every accepted event', () => seen.hasAll(flow.accepted));
      }
      expect(flow.refused.every((code) => code === 'PUBLISH_FAILED')).toBe(true);
    },
  );

  test(
    'do not prevent a stop: unsettled events are handled by another member afterwards',
    patient,
    async () => {
      const config = configOf(newStream());
      const [leaving, other] = [await startEngine(config), await startEngine(config)];
      let began = 0;
      await leaving.subscribe(
        'pause',
        () => {
          began++;
          return new Promise<void>(() => {});
        },
        { group: 'g' },
      );
      for (let n = 0; n < 5; n++) await other.publish({ topic: 'pause', payload: n });
      await until('the first event to be handled', () => began === 1);
      await broker.pause();
      try {
        // Core gives it this much for its handlers; the rest is ours, and bounded.
        await leaving.stop({ timeoutMs: 50 }).catch(() => {});
        expect((await leaving.health()).status).toBe('down');
      } finally {
        await broker.resume();
      }
      const seen = new Set<unknown>();
      await other.subscribe('pause', ({ payload }) => void seen.add(payload), { group: 'g' });
      await until('all events at the other', () => seen.size === 5);
    },
  );

  test('of the credentials provider hold up neither publishing nor health nor stop', patient, async () => {
    const { endpoint, region, credentials } = broker;
    let isSilent = false;
    const client = new KinesisClient({
      endpoint,
      region,
      maxAttempts: 1,
      requestHandler: new NodeHttpHandler(),
      credentials: async () => {
        if (isSilent) await new Promise<void>(() => {});
        // They are asked for again with every call.
        return { ...credentials, expiration: new Date(Date.now() + 1000) };
      },
    });
    onTestFinished(() => client.destroy());
    const times = { requestTimeoutMs: 300, publishTimeoutMs: 1000 };
    const engine = await startEngine({ ...quick, ...times, client, streamName: newStream() });
    await engine.subscribe('silence', () => {});
    isSilent = true;
    await expect(engine.publish({ topic: 'silence', payload: 1 })).rejects.toMatchObject({
      code: 'PUBLISH_FAILED',
      message: expect.stringContaining('no answer in 300 ms'),
    });
    expect((await engine.health()).status).toBe('down');
    await engine.stop();
  });

  test.each([
    ['when a read fails', 100, false],
    ['when health() is asked, if no read fails', '5s', false],
    ['also in a group that was away, wherever it would begin', 100, true],
  ] as const)(
    'a stream that is deleted and created again is read from its first record, %s',
    patient,
    async (_, pollInterval, isAway) => {
      const config = { ...configOf(newStream()), pollInterval, shardCount: 1, requestTimeoutMs: 5000 };
      const { streamName: StreamName } = config;
      const client = plainClient(broker);
      const active = async (): Promise<void> => {
        const about = new DescribeStreamSummaryCommand({ StreamName });
        await until('the stream to be active', async () => {
          const answer = await client.send(about).catch(() => undefined);
          return answer?.StreamDescriptionSummary?.StreamStatus === 'ACTIVE';
        });
      };
      const log = new LogLines();
      const engine = await startEngine(config, log);
      const publisher = await startEngine(config);
      const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
      const subscribe = async (): Promise<void> => {
        await engine.subscribe('again', ({ payload }) => void grouped.add(payload), { group: 'g' });
        if (!isAway) await engine.subscribe('again', ({ payload }) => void plain.add(payload));
      };
      await subscribe();
      if (isAway) await engine.stop();
      await client.send(new DeleteStreamCommand({ StreamName }));
      // Otherwise, a fast server could have the new stream before any read fails.
      if (!isAway && pollInterval !== '5s')
        await until('health to be down', async () => (await engine.health()).status === 'down');
      await until('the stream to be gone', () =>
        client.send(new CreateStreamCommand({ StreamName, ShardCount: 4 })).then(
          () => true,
          () => false,
        ),
      );
      await active();
      const numbers = Array.from({ length: 20 }, (_, n) => n);
      for (const payload of numbers) {
        await publisher.publish({ topic: 'again', payload, key: `key-${payload}` });
      }
      if (isAway) {
        await engine.start();
        await subscribe();
      }
      await until('every event', async () => {
        await engine.health();
        return [grouped, ...(isAway ? [] : [plain])].every(({ size }) => size === numbers.length);
      });
      const missed = log.lines.filter((line) => line.includes('the stream was deleted and created again"'));
      expect(missed).toHaveLength(isAway ? 1 : 2);
      await until('health to be up', async () => (await engine.health()).status === 'up');
    },
  );

  test('a publish rejects in time if the server is paused', patient, async () => {
    const engine = await startEngine({ ...configOf(newStream()), publishTimeoutMs: 300 });
    await broker.pause();
    try {
      await expect(engine.publish({ topic: 'pause', payload: 1 })).rejects.toMatchObject({
        code: 'PUBLISH_FAILED',
        message: expect.stringContaining('no answer'),
      });
      expect((await engine.health()).status).toBe('down');
    } finally {
      await broker.resume();
    }
    await until('health to be up', async () => (await engine.health()).status === 'up');
  });

  test('start names http:// if the endpoint does not use TLS', async () => {
    const config = configOf(newStream());
    const engine = makeEngine({ ...config, endpoint: config.endpoint.replace('http:', 'https:') });
    const problem = {
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/^[^\n]* begin the endpoint with http:\/\/\.$/),
    };
    await expect(engine.start()).rejects.toMatchObject(problem);
  });

  test(
    'start of a bus names an absent service, and a later start of the same bus works',
    patient,
    async () => {
      const engine = kinesisEngine(configOf(newStream()));
      const bus = createEventBus({ engines: [{ name: 'late', engine }] });
      expect(await startLater(bus, broker)).toMatchObject({
        code: 'CONNECTION_FAILED',
        engine: 'late',
        message: expect.stringContaining('Check the region and the endpoint'),
      });
    },
  );
});
