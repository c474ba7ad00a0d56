import { type Event, type HandlerContext, PolybusError, createEventBus } from '@polybus/core';
import { type Engine, createRouter } from '@polybus/core/engine';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { HandTransport, handEngine } from '../hand-engine.ts';
import { quietLogger } from '../quiet-logger.ts';

const logger = quietLogger();
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function startedBus(routing: { topics: string[]; engine: string }[]) {
  const bus = createEventBus({
    engines: [
      { name: 'local', engine: memoryEngine() },
      { name: 'log', engine: durableMemoryEngine({ retry: { attempts: 1 }, deadLetter: true }) },
    ],
    routing,
    logger,
  });
  stops.push(() => bus.stop());
  await bus.start();
  return bus;
}

const rules = [
  { topics: ['user.*', 'health'], engine: 'local' },
  { topics: ['*'], engine: 'log' },
];

/** An engine that subscribes only when `open` is called. */
function heldBack(engine: Engine): { engine: Engine; open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const subscribe = engine.subscribe.bind(engine);
  engine.subscribe = async (topic, handler, options) => {
    await opened;
    return subscribe(topic, handler, options);
  };
  return { engine, open };
}

test('a handler cancels its subscription of a router while one of the engines still subscribes', async () => {
  const slow = heldBack(memoryEngine());
  const engines = [
    { name: 'first', engine: memoryEngine() },
    { name: 'slow', engine: slow.engine },
  ];
  const router = createRouter({ engines, routing: [{ topics: ['slow.*'], engine: 'slow' }] });
  stops.push(() => router.stop());
  await router.start();
  await router.publish({ topic: 'a', payload: 1 });
  let cancelled: unknown;
  const handler = (_: Event, { subscription }: HandlerContext): void => {
    cancelled ??= subscription.cancel().then(() => 'cancelled');
  };
  const subscribing = router.subscribe('*', handler, { from: 'earliest' });
  await expect.poll(() => cancelled).toBeDefined();
  slow.open();
  await subscribing;
  expect(await cancelled).toBe('cancelled');
  expect(router.topics()).toEqual([]);
  expect(router.subscriberCount('a')).toBe(0);
});

describe('routing', () => {
  test('uses the first matching rule, and the first engine for a topic without a matching rule', async () => {
    const bus = await startedBus(rules);
    expect(bus.router.engineFor('user.created')).toBe('local');
    expect(bus.router.engineFor('health')).toBe('local');
    expect(bus.router.engineFor('order.placed')).toBe('log');
    expect(bus.router.engineFor('_internal')).toBe('local');
    expect(bus.router.engineNames()).toEqual(['local', 'log']);
  });

  test('subscribes a pattern on every engine that can carry a matching topic, and on no other', async () => {
    const bus = await startedBus(rules);
    expect((await bus.subscribe('*', () => {})).engine).toBe('local,log');
    expect((await bus.subscribe('user.*', () => {})).engine).toBe('local');
    expect((await bus.subscribe('us*', () => {})).engine).toBe('local,log');
    expect((await bus.subscribe('order.*', () => {})).engine).toBe('log');
  });

  test('delivers the events of both engines to one subscription, one at a time', async () => {
    const bus = await startedBus(rules);
    const seen: string[] = [];
    let running = 0;
    let most = 0;
    await bus.subscribe('*', async ({ topic }) => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      seen.push(topic);
      running--;
    });
    await Promise.all(['user.a', 'order.a', 'user.b', 'order.b'].map((topic) => bus.publish(topic, 1)));
    expect(seen.toSorted()).toEqual(['order.a', 'order.b', 'user.a', 'user.b']);
    expect(most).toBe(1);
    expect(bus.subscriberCount('*')).toBe(1);
    expect(bus.stats().delivered).toBe(4);
  });

  test('lets a handler of one engine await a publish to another that the same subscription handles', async () => {
    const bus = await startedBus(rules);
    const seen: string[] = [];
    await bus.subscribe('*', async ({ topic }) => {
      seen.push(topic);
      if (topic === 'user.a') await bus.publish('order.a', 1);
    });
    await bus.publish('user.a', 1);
    await expect.poll(() => seen).toEqual(['user.a', 'order.a']);
  });

  test('keeps a dead letter on the engine of its event, for subscriptions on the bus', async () => {
    const bus = await startedBus(rules);
    const dead: Event[] = [];
    await bus.subscribe('_dead.order.placed', (event) => void dead.push(event));
    await bus.subscribe('order.placed', () => {
      throw new Error('no stock');
    });
    await bus.publish('order.placed', { id: 7 });
    await expect.poll(() => dead.length).toBe(1);
    expect(bus.router.engineFor('_dead.order.placed')).toBe('log');
    expect(dead[0]!.payload).toEqual({ id: 7 });
  });

  test('ends the subscription on every engine if a handler cancels it through its context', async () => {
    const bus = await startedBus(rules);
    let calls = 0;
    const subscription = await bus.subscribe('*', async (_, context) => {
      calls++;
      expect(context.subscription).toBe(subscription);
      await context.subscription.cancel();
    });
    await bus.publish('user.a', 1);
    await bus.publish('order.a', 1);
    expect(calls).toBe(1);
    expect(bus.topics()).toEqual([]);
  });

  test('stops the other engines if one engine does not start', async () => {
    const good = memoryEngine();
    const bad: Engine = Object.assign(memoryEngine(), {
      start: () => Promise.reject(new Error('no broker')),
    });
    const bus = createEventBus({
      engines: [
        { name: 'good', engine: good },
        { name: 'bad', engine: bad },
      ],
    });
    await expect(bus.start()).rejects.toThrow('no broker');
    expect((await good.health()).state).toBe('stopped');
    await expect(bus.publish('a', 1)).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
  });

  test('reports an engine as down if its health() rejects', async () => {
    const bad: Engine = Object.assign(memoryEngine(), {
      health: () => Promise.reject(new Error('no answer')),
    });
    const bus = createEventBus({
      engines: [
        { name: 'good', engine: memoryEngine() },
        { name: 'bad', engine: bad },
      ],
    });
    stops.push(() => bus.stop());
    await bus.start();
    expect(await bus.health()).toMatchObject({ status: 'degraded', error: 'bad: no answer' });
  });

  test('stops every engine and reports all engines that failed to stop', async () => {
    const bus = await startedBus(rules);
    let finish!: () => void;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    await bus.subscribeAsync('user.a', () => finished);
    await bus.subscribeAsync('order.a', () => finished);
    await bus.publish('user.a', 1);
    await bus.publish('order.a', 1);
    await expect.poll(() => bus.stats().pending).toBe(2);
    const error = await bus.stop({ timeoutMs: 20 }).catch((reason: unknown) => reason);
    finish();
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map((one) => PolybusError.is(one) && one.code)).toEqual([
      'SHUTDOWN_TIMEOUT',
      'SHUTDOWN_TIMEOUT',
    ]);
    expect((error as AggregateError).errors.map(({ message }: Error) => message)).toEqual([
      expect.stringContaining('after 20 ms with 1 handler(s) running') as string,
      expect.stringContaining('after 20 ms with 1 handler(s) running') as string,
    ]);
    expect((await bus.health()).status).toBe('down');
  });

  const never = new Promise<never>(() => {});

  test.each([
    [
      'the connection',
      'the engine did not close in time',
      (transport: HandTransport) => void (transport.close = () => never),
    ],
    [
      'a subscription',
      'a subscription did not end in time',
      (transport: HandTransport) => void (transport.listen = async () => ({ stop: () => never })),
    ],
  ])('stop ends if %s of an engine never ends, and names that engine', async (_, message, hang) => {
    const transport = new HandTransport();
    hang(transport);
    const good = memoryEngine();
    const lines = quietLogger();
    const bus = createEventBus({
      engines: [
        { name: 'good', engine: good },
        { name: 'hung', engine: handEngine(transport) },
      ],
      routing: [{ topics: ['hung.*'], engine: 'hung' }],
      logger: lines,
    });
    await bus.start();
    await bus.subscribe('*', () => {});
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const stopping = bus.stop({ timeoutMs: 100 });
    await vi.advanceTimersByTimeAsync(10_100);
    await stopping;
    expect(lines.lines).toMatchObject([{ level: 'warn', message, fields: { engine: 'hung' } }]);
    expect((await good.health()).state).toBe('stopped');
  });

  test('handles events that a handler publishes to another engine while the bus stops', async () => {
    const bus = await startedBus(rules);
    const seen: unknown[] = [];
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    await bus.subscribe('order.placed', ({ payload }) => void seen.push(payload));
    await bus.subscribeAsync('user.a', async () => {
      await held;
      await bus.publish('order.placed', 'last');
    });
    await bus.publish('user.a', 1);
    const stopped = bus.stop();
    release();
    await stopped;
    expect(seen).toEqual(['last']);
  });

  test('refuses an unknown engine name', async () => {
    const bus = await startedBus(rules);
    expect(() => bus.router.engine('nope')).toThrow(
      /There is no engine "nope"; the engines are "local", "log"/,
    );
  });

  test('sums counts over the engines, and reports them per engine', async () => {
    const bus = await startedBus(rules);
    await bus.subscribe('*', () => {});
    await bus.publish('user.a', 1);
    await bus.publish('order.a', 1);
    await bus.publish('order.b', 1);
    expect(bus.stats()).toMatchObject({ published: 3, enqueued: 3, delivered: 3, dropped: 0, pending: 0 });
    expect(bus.statsPerEngine()).toMatchObject({ local: { delivered: 1 }, log: { delivered: 2 } });
  });
});
