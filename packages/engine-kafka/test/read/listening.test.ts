import type { TransportContext } from '@polybus/core/engine';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { KafkaFailure } from '../../src/client/failure.ts';
import type { KafkaClient } from '../../src/client/kafka-client.ts';
import { KafkaTransport } from '../../src/kafka-transport.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { HeldReceiver, request } from '../simulated.ts';
import { LogLines, until } from '../support.ts';

const client = vi.hoisted(() => ({ now: undefined as unknown }));
vi.mock('../../src/client/create-client.ts', () => ({ createClient: () => client.now }));

const context = (): TransportContext => ({
  name: 'kafka',
  logger: new LogLines(),
  source: 'test',
  signal: new AbortController().signal,
  missed: () => {},
});

afterEach(() => void vi.useRealTimers());

test('a pattern subscription rejects in the end if the leader of a topic cannot be reached', async () => {
  vi.useFakeTimers();
  client.now = {
    connect: async () => {},
    close: async () => {},
    topics: async () => new Map([['t.a', [1]]]),
    offsets: async () => {
      throw new KafkaFailure('passing', 'no connection to broker 1', undefined);
    },
  } satisfies Partial<KafkaClient>;
  const transport = await KafkaTransport.open(resolveOptions({}, 'config'), context());
  const listening = transport.listen(request('t.*', { group: undefined }), new HeldReceiver());
  const failure = listening.catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await failure).toMatchObject({
    code: 'CONNECTION_FAILED',
    topic: 't.*',
    message: expect.stringContaining('no connection to broker 1'),
  });
  const closing = transport.close();
  await vi.advanceTimersByTimeAsync(10_000);
  await closing;
}, 5000);

test('a group subscription rejects and does not join if the engine stops meanwhile', async () => {
  let answer!: () => void;
  let joined = 0;
  const given = {
    connect: async () => {},
    close: async () => {},
    topics: () => new Promise<Map<string, number[]>>((resolve) => (answer = () => resolve(new Map()))),
    group: () => {
      joined++;
      throw new Error('nobody is to join');
    },
  } satisfies Partial<KafkaClient>;
  client.now = given;
  const transport = await KafkaTransport.open(resolveOptions({}, 'config'), context());
  const listening = transport.listen(request('t.*'), new HeldReceiver());
  await transport.close();
  answer();
  await expect(listening).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
  expect(joined).toBe(0);
});

test('health() names a partition whose first offset is unknown, until it is known; other partitions are read', async () => {
  const topics = new Map([['t.a', [1]]]);
  let isLost = true;
  client.now = {
    connect: async () => {},
    close: async () => {},
    topics: async () => topics,
    offsets: async (partitions) => {
      if (isLost && partitions.has('t.b')) throw new KafkaFailure('passing', 'broker 1 is busy', undefined);
      return [...partitions.keys()].map((topic) => ({ topic, partition: 0, offset: 0 }));
    },
    fetch: () => new Promise(() => {}),
  } satisfies Partial<KafkaClient>;
  const options = resolveOptions({ metadataRefreshMs: 100 }, 'config');
  const transport = await KafkaTransport.open(options, context());
  onTestFinished(() => transport.close());
  await transport.listen(request('t.*', { group: undefined }), new HeldReceiver());
  const read = () => [...transport.progress()].map(({ source }) => source);
  const lost = () =>
    [...transport.progress()].find(({ behind }) => behind?.includes('start offset') === true);
  expect(lost()).toBeUndefined();
  topics.set('t.b', [1]);
  await until('the reason', () => lost()?.behind?.includes('broker 1 is busy') === true);
  expect(lost()?.source).toBe('partition 0 of "t.b"');
  topics.set('t.c', [1]);
  await until(
    'another topic',
    () => read().includes('partition 0 of "t.c"') && lost()?.source.includes('t.c') !== true,
  );
  isLost = false;
  await until('the place', () => lost() === undefined);
});
