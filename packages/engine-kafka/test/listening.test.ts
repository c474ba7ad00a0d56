import type { TransportContext } from '@polybus/core';
import { afterEach, expect, test, vi } from 'vitest';
import { type KafkaClient, KafkaFailure } from '../src/client-port.ts';
import { KafkaTransport } from '../src/kafka-transport.ts';
import { resolveOptions } from '../src/options.ts';
import { HeldReceiver, request } from './simulated.ts';
import { LogLines } from './support.ts';

const client = vi.hoisted(() => ({ now: undefined as unknown }));
vi.mock('../src/kafka.ts', () => ({ createClient: () => client.now }));

afterEach(() => void vi.useRealTimers());

test('a subscription of a pattern tells in the end that the leader of a topic cannot be reached', async () => {
  vi.useFakeTimers();
  client.now = {
    connect: async () => {},
    close: async () => {},
    topics: async () => new Map([['t.a', [1]]]),
    offsets: async () => {
      throw new KafkaFailure('passing', 'no connection to broker 1', undefined);
    },
  } satisfies Partial<KafkaClient>;
  const transport = new KafkaTransport(resolveOptions({}, 'config'));
  const context = { name: 'kafka', logger: new LogLines(), source: 'test', missed: () => {} };
  await transport.open(context as TransportContext);
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

test.each(['once', 'twice'])(
  'a subscription in a group whose engine is stopped meanwhile (and started %s) is refused, and joins nothing',
  async (times) => {
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
    const transport = new KafkaTransport(resolveOptions({}, 'config'));
    const context = { name: 'kafka', logger: new LogLines(), source: 'test', missed: () => {} };
    await transport.open(context as TransportContext);
    const listening = transport.listen(request('t.*'), new HeldReceiver());
    await transport.close();
    if (times === 'twice') await transport.open(context as TransportContext);
    answer();
    await expect(listening).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
    await transport.close();
    expect(joined).toBe(0);
  },
);
