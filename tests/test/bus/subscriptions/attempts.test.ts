import { type AttemptData, createEventBus } from '@polybus/core';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { expect, test } from 'vitest';
import { HandTransport, handEngine } from '../hand-engine.ts';
import { quietLogger } from '../quiet-logger.ts';

test('each attempt is reported after it ends, with its outcome, its pattern and its duration', async () => {
  const attempts: AttemptData[] = [];
  const bus = createEventBus({
    engines: [{ name: 'm', engine: memoryEngine() }],
    logger: quietLogger(),
  });
  await bus.start();
  bus.observeAttempts((attempt) => void attempts.push(attempt));
  const subscription = await bus.subscribe(
    'order.*',
    ({ payload }, { attempt }) => {
      if (payload === 'bad' && attempt === 1) throw new Error('once');
      return payload === 'slow' ? new Promise(() => {}) : undefined;
    },
    { group: 'g', retry: { attempts: 2, backoff: { initialMs: 0 } }, handlerTimeoutMs: 1 },
  );
  await bus.publish('order.placed', 'good');
  await bus.publish('order.placed', 'bad');
  await bus.publish('order.paid', 'slow');
  const about = { pattern: 'order.*', engine: 'm', subscription: subscription.id, group: 'g' };
  expect(attempts).toMatchObject([
    { ...about, topic: 'order.placed', attempt: 1, outcome: 'success' },
    { ...about, topic: 'order.placed', attempt: 1, outcome: 'failure' },
    { ...about, topic: 'order.placed', attempt: 2, outcome: 'success' },
    { ...about, topic: 'order.paid', attempt: 1, outcome: 'timeout' },
    { ...about, topic: 'order.paid', attempt: 2, outcome: 'timeout' },
  ]);
  for (const { durationMs } of attempts) expect(durationMs).toBeGreaterThanOrEqual(0);
  await bus.stop();
});

test('an attempt is reported as released if its loop ended or stop() timed out', async () => {
  const attempts: AttemptData[] = [];
  const bus = createEventBus({
    engines: [{ name: 'm', engine: durableMemoryEngine() }],
    logger: quietLogger(),
  });
  await bus.start();
  bus.observeAttempts((attempt) => void attempts.push(attempt));
  const stream = bus.events('a');
  await stream.ready;
  void bus.publish('a', 1).catch(() => {});
  for await (const _ of stream) break;
  await expect
    .poll(() => attempts.map(({ topic, outcome }) => [topic, outcome]))
    .toEqual([['a', 'released']]);

  let begun!: () => void;
  const running = new Promise<void>((resolve) => (begun = resolve));
  await bus.subscribeAsync('b', () => {
    begun();
    return new Promise(() => {});
  });
  await bus.publish('b', 1);
  await running;
  await expect(bus.stop({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT' });
  expect(attempts.map(({ topic, outcome }) => [topic, outcome])).toEqual([
    ['a', 'released'],
    ['b', 'released'],
  ]);
});

test('an observer of attempts that throws is logged and affects nothing else, and a removed observer gets no more attempts', async () => {
  const logger = quietLogger();
  const bus = createEventBus({ logger });
  await bus.start();
  let told = 0;
  const ends = [
    bus.observeAttempts(() => {
      throw new Error('bad observer');
    }),
    bus.observeAttempts(() => void told++),
  ];
  await bus.subscribe('a', () => {});
  await bus.publish('a', 1);
  expect(told).toBe(1);
  expect(logger.lines.map(({ message }) => message)).toEqual(['an observer failed']);
  for (const end of ends) end();
  await bus.publish('a', 1);
  expect(told).toBe(1);
  expect(bus.stats()).toMatchObject({ delivered: 2, failed: 0 });
  await bus.stop();
});

test('middleware gets the router, which knows the engine of each topic', async () => {
  const seen: string[] = [];
  const bus = createEventBus({
    engines: [
      { name: 'one', engine: memoryEngine() },
      { name: 'two', engine: durableMemoryEngine() },
    ],
    routing: [{ topics: ['b'], engine: 'two' }],
    middleware: {
      publish: [
        ({ event, next, router }) => (
          seen.push(`to ${router.engine(router.engineFor(event.topic)).type}`),
          next()
        ),
      ],
      handle: [
        ({ event, next, context: { subscription }, router }) => (
          seen.push(`from ${router.engineFor(event.topic)} for ${subscription.topic}`),
          next()
        ),
      ],
    },
    logger: quietLogger(),
  });
  await bus.start();
  await bus.subscribe('*', () => {});
  await bus.publish('a', 1);
  await bus.publish('b', 1);
  expect(seen).toEqual(['to memory', 'from one for *', 'to durable-memory', 'from two for *']);
  await bus.stop();
});

test('lag() covers all engines or one engine; it rejects if an engine cannot determine it', async () => {
  const transport = new HandTransport();
  const bus = createEventBus({
    engines: [
      { name: 'hand', engine: handEngine(transport) },
      { name: 'm', engine: memoryEngine() },
    ],
    logger: quietLogger(),
  });
  await bus.start();
  const lag = { topic: 'a', group: 'g', partition: '0', events: 3 };
  transport.onLag = () => Promise.resolve([lag]);
  expect(await bus.lag()).toEqual([lag]);
  expect(await bus.router.lagPerEngine()).toEqual({ hand: [lag], m: [] });
  transport.onLag = () => Promise.reject(new Error('the broker is out'));
  await expect(bus.lag()).rejects.toThrow('the broker is out');
  await bus.stop();
});

test('an observer of attempts whose promise rejects is logged, and does not end the process', async () => {
  const logger = quietLogger();
  const bus = createEventBus({ logger });
  await bus.start();
  const fails = async (): Promise<void> => {
    await Promise.resolve();
    throw new Error('no');
  };
  // TypeScript also accepts an async function here.
  const observer = fails as () => void;
  bus.observeAttempts(observer);
  await bus.subscribe('a', () => {});
  await bus.publish('a', 1);
  await expect.poll(() => logger.lines).toMatchObject([{ message: 'an observer failed' }]);
  await bus.stop();
});

test('a `retry` of subscribe without `attempts` means five attempts, whatever the engine is configured with', async () => {
  const retry = { attempts: 2, backoff: { initialMs: 0 } };
  const bus = createEventBus({
    engines: [{ name: 'm', engine: memoryEngine({ retry }) }],
    logger: quietLogger(),
  });
  await bus.start();
  const attempts = { configured: 0, own: 0 };
  const failing = (subscription: keyof typeof attempts) => (): never => {
    attempts[subscription]++;
    throw new Error('always');
  };
  await bus.subscribe('a', failing('configured'));
  await bus.subscribe('a', failing('own'), { retry: { backoff: retry.backoff } });
  await bus.publish('a', 1);
  expect(attempts).toEqual({ configured: 2, own: 5 });
  await bus.stop();
});
