import { type Event, UnrecoverableError, createEventBus } from '@polybus/core';
import { until } from '@polybus/testbed/engine';
import { sharedBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { RequestFailedError, type Requests, createRequests } from '../../src/index.ts';
import { quiet, startBus } from '../engines.ts';

interface Prices {
  'price.get': { request: { sku: string }; reply: { cents: number; validUntil: Date } };
  'stock.get': { request: string; reply: number };
}

type Bus = Awaited<ReturnType<typeof startBus>>;

async function start(
  config: Record<string, unknown> = {},
): Promise<{ readonly bus: Bus; readonly requests: Requests<Prices> }> {
  const bus = await startBus({ engine: 'durable-memory', config });
  return { bus, requests: createRequests<Prices>(bus) };
}

test('a request resolves with what the handler returns, in its JSON form', async () => {
  const { bus, requests } = await start();
  await requests.reply('price.get', async ({ payload: { sku } }) => {
    await Promise.resolve();
    return { cents: sku.length, validUntil: new Date(0) };
  });
  const { cents, validUntil } = await requests.request('price.get', { sku: 'lamp' });
  expect({ cents, validUntil } satisfies { cents: number; validUntil: string }).toEqual({
    cents: 4,
    validUntil: '1970-01-01T00:00:00.000Z',
  });
  expect(bus.topics().toSorted()).toEqual(['_replies', 'price.get']);
  expect(requests.stats()).toEqual({ pending: 0, late: 0 });
});

test('each of many requests at once gets its own reply', async () => {
  const { requests } = await start();
  await requests.reply('stock.get', async ({ payload }) => {
    // The replies come in another order than the requests.
    for (let turn = Number(payload); turn < 20; turn++) await Promise.resolve();
    return Number(payload);
  });
  const all = Array.from({ length: 20 }, (_, i) => requests.request('stock.get', String(i)));
  expect(await Promise.all(all)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

test('request and reply are events of the bus that say what caused them', async () => {
  const { bus } = await start();
  const requests = createRequests<Prices>(bus, { replyTopic: 'prices.replies' });
  const seen: Event[] = [];
  await requests.reply('stock.get', () => 3, { group: 'shop' });
  await bus.subscribe('prices.replies', (event) => seen.push(event));
  await bus.subscribe('stock.get', (event) => seen.push(event));
  const metadata = { correlationid: 'case-7', replyto: 'elsewhere' };
  await requests.request('stock.get', 'lamp', { key: 'k', metadata });
  await expect.poll(() => seen.length).toBe(2);
  const [request, reply] = seen;
  expect(request).toMatchObject({ key: 'k', payload: 'lamp', metadata: { replyto: 'prices.replies' } });
  expect(reply).toMatchObject({ topic: 'prices.replies', payload: 3 });
  expect(reply?.metadata).toEqual({
    correlationid: 'case-7',
    causationid: request?.id,
    requesterid: request?.metadata['requesterid'],
  });
});

test('an error of the handler reaches the requester with its name, message and code only, and the bus reports the failure', async () => {
  const { bus, requests } = await start();
  const replies: Event[] = [];
  await bus.subscribe('_replies', (event) => replies.push(event));
  await requests.reply('stock.get', () => {
    throw Object.assign(new UnrecoverableError('no such article'), { query: 'SELECT secret' });
  });
  const error = await requests.request('stock.get', 'lamp').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RequestFailedError);
  expect(error).toMatchObject({
    code: 'REQUEST_FAILED',
    topic: 'stock.get',
    failure: { name: 'UnrecoverableError', message: 'no such article', code: 'UNRECOVERABLE' },
    message: expect.stringContaining('UnrecoverableError: no such article') as string,
  });
  await expect.poll(() => bus.stats().failed).toBe(1);
  expect(JSON.stringify(replies)).not.toMatch(/secret|requests\.test\.ts/);
  expect(bus.stats()).toMatchObject({ retried: 0, deadLettered: 0 });
});

test.each([undefined, 'a text', { message: 'an object' }, { name: 5 }])(
  'a handler may throw any value: %j',
  async (thrown) => {
    const { requests } = await start();
    await requests.reply('stock.get', () => {
      throw thrown as Error;
    });
    await expect(requests.request('stock.get', 'lamp')).rejects.toMatchObject({ code: 'REQUEST_FAILED' });
  },
);

test('a result that cannot be sent is a failure of the request', async () => {
  const { requests } = await start();
  await requests.reply('stock.get', () => Number.NaN);
  await expect(requests.request('stock.get', 'lamp')).rejects.toMatchObject({
    code: 'REQUEST_FAILED',
    failure: { code: 'INVALID_EVENT' },
  });
});

test('a request without a reply ends after its timeout, and a late reply is counted', async () => {
  const { requests } = await start();
  let answer: (stock: number) => void = () => {};
  await requests.reply('stock.get', () => new Promise<number>((resolve) => (answer = resolve)));
  const error = await requests
    .request('stock.get', 'lamp', { timeoutMs: 20 })
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'REQUEST_TIMEOUT', topic: 'stock.get' });
  expect(requests.stats()).toEqual({ pending: 0, late: 0 });
  answer(3);
  await expect.poll(() => requests.stats()).toEqual({ pending: 0, late: 1 });
});

test('a signal ends a request with its reason, before and after it was sent', async () => {
  const { bus, requests } = await start();
  await requests.reply('stock.get', () => new Promise<number>(() => {}));
  const reason = new Error('the client has left');
  await expect(requests.request('stock.get', 'lamp', { signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );
  expect(bus.stats().published).toBe(0);
  const controller = new AbortController();
  const request = requests.request('stock.get', 'lamp', { signal: controller.signal });
  await until('the handler runs', () => bus.stats().running > 0);
  controller.abort(reason);
  await expect(request).rejects.toBe(reason);
  expect(requests.stats().pending).toBe(0);
});

test('close() rejects waiting and later requests, and leaves no subscription to the replies', async () => {
  const { bus, requests } = await start();
  await requests.reply('stock.get', () => new Promise<number>(() => {}));
  const ended = requests.request('stock.get', 'lamp').catch((error: unknown) => error);
  await until('the handler runs', () => bus.stats().running > 0);
  await requests.close();
  expect(await ended).toMatchObject({ code: 'REQUESTS_CLOSED' });
  await expect(requests.request('stock.get', 'lamp')).rejects.toMatchObject({ code: 'REQUESTS_CLOSED' });
  expect(bus.topics()).toEqual(['stock.get']);
});

test('handlers that wait for replies of their own process do not take the workers of the repliers', async () => {
  const { bus, requests } = await start({ workerCount: 2 });
  const totals: number[] = [];
  await requests.reply('stock.get', async ({ payload }) => {
    await Promise.resolve();
    return payload.length;
  });
  await bus.subscribeAsync('order.placed', async () => {
    totals.push(await requests.request('stock.get', 'lamp', { timeoutMs: 20_000 }));
  });
  await Promise.all(Array.from({ length: 10 }, () => bus.publish('order.placed', {})));
  await expect.poll(() => totals.length, { timeout: 15_000 }).toBe(10);
});

test('an event that is no request is handled, and its result is ignored', async () => {
  const { bus, requests } = await start();
  const handled: unknown[] = [];
  await requests.reply('stock.get', ({ payload }) => handled.push(payload));
  await bus.publish('stock.get', 'lamp');
  await expect.poll(() => handled).toEqual(['lamp']);
  await expect.poll(() => bus.stats()).toMatchObject({ published: 1, failed: 0, pending: 0 });
});

test('invalid arguments are refused', async () => {
  const { bus, requests } = await start();
  expect(() => createRequests({} as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  expect(() => createRequests(bus, { replyTopic: 'a.*' })).toThrow(
    expect.objectContaining({ code: 'INVALID_TOPIC' }),
  );
  const refused = async (call: Promise<unknown>, code: string): Promise<void> => {
    await expect(call).rejects.toMatchObject({ code });
  };
  await refused(requests.request('stock.get', 'lamp', { timeoutMs: 0 }), 'INVALID_OPTION');
  await refused(requests.request('stock.get', 'lamp', { timeout: 5 } as never), 'UNKNOWN_OPTION');
  await refused(requests.request('stock.*' as 'stock.get', 'lamp'), 'INVALID_TOPIC');
  await refused(requests.reply('stock.get', 5 as never), 'HANDLER_REQUIRED');
  await refused(
    requests.reply('stock.get', () => 1, { retries: 1 } as never),
    'UNKNOWN_OPTION',
  );
});

test('replies that would not come back from another process are refused before the request is sent', async () => {
  const bus = createEventBus({
    engines: [
      { name: 'local', type: 'durable-memory' },
      { name: 'shared', type: 'redis', config: { url: sharedBroker('redis').url } },
    ],
    routing: [{ topics: ['stock.*'], engine: 'shared' }],
    logger: quiet,
  });
  onTestFinished(() => bus.stop());
  await bus.start();
  const error = await createRequests(bus)
    .request('stock.get', 'lamp', { timeoutMs: 1000 })
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'INVALID_OPTION', option: 'replyTopic' });
});
