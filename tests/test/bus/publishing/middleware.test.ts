import { type Middleware, createEventBus } from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import { afterEach, describe, expect, test } from 'vitest';
import { quietLogger } from '../quiet-logger.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function startedBus(middleware: Middleware) {
  const logger = quietLogger();
  const bus = createEventBus({
    engines: [{ name: 'memory', engine: memoryEngine({ retry: { attempts: 1 } }) }],
    middleware,
    logger,
  });
  stops.push(() => bus.stop());
  await bus.start();
  return { bus, logger };
}

describe('middleware', () => {
  test('runs in order on both sides, and the first is the outermost', async () => {
    const calls: string[] = [];
    const { bus } = await startedBus({
      publish: [
        async ({ next }) => (calls.push('p1'), await next(), void calls.push('/p1')),
        async ({ next }) => (calls.push('p2'), await next(), void calls.push('/p2')),
      ],
      handle: [
        async ({ next }) => (calls.push('h1'), await next(), void calls.push('/h1')),
        async ({ next }) => (calls.push('h2'), await next(), void calls.push('/h2')),
      ],
    });
    await bus.subscribe('a', () => void calls.push('handler'));
    await bus.publish('a', 1);
    expect(calls).toEqual(['p1', 'p2', 'h1', 'h2', 'handler', '/h2', '/h1', '/p2', '/p1']);
  });

  test('can change the event on either side', async () => {
    const { bus } = await startedBus({
      publish: [({ event, next }) => next({ ...event, metadata: { ...event.metadata, tenant: 't1' } })],
      handle: [({ event, next }) => next({ ...event, payload: `${String(event.payload)}!` })],
    });
    const seen: unknown[] = [];
    await bus.subscribe('a', ({ payload, metadata, processingStarted }) => {
      seen.push(payload, metadata, processingStarted instanceof Date);
    });
    await bus.publish('a', 'hello');
    expect(seen).toEqual(['hello!', { tenant: 't1' }, true]);
  });

  test('can stop a publish or a delivery by not calling next', async () => {
    let stop = true;
    const { bus } = await startedBus({
      publish: [async ({ event: { topic }, next }) => (topic === 'secret' ? undefined : next())],
      handle: [async ({ next }) => (stop ? undefined : next())],
    });
    let handled = 0;
    await bus.subscribe('*', () => void handled++);
    await bus.publish('secret', 1);
    expect(bus.stats().published).toBe(0);
    await bus.publish('open', 1);
    expect(handled).toBe(0);
    expect(bus.stats()).toMatchObject({ published: 1, delivered: 1, failed: 0 });
    stop = false;
    await bus.publish('open', 1);
    expect(handled).toBe(1);
  });

  test('rejects the publish or fails the attempt if it throws', async () => {
    const { bus } = await startedBus({
      publish: [({ event, next }) => (event.topic === 'no' ? Promise.reject(new Error('refused')) : next())],
      handle: [() => Promise.reject(new Error('broken'))],
    });
    await bus.subscribe('*', () => {});
    await expect(bus.publish('no', 1)).rejects.toThrow('refused');
    await bus.publish('yes', 1);
    expect(bus.stats()).toMatchObject({ published: 1, delivered: 1, failed: 1 });
  });

  test('is aborted together with the publish in the engine when the signal aborts', async () => {
    const logger = quietLogger();
    const bus = createEventBus({
      deliveryMode: 'block',
      defaultEventBufferSize: 1,
      middleware: { publish: [({ next }) => next()] },
      logger,
    });
    stops.push(() => bus.stop());
    await bus.start();
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const handled: unknown[] = [];
    await bus.subscribeAsync(
      'a',
      ({ payload }) => {
        handled.push(payload);
        return gate;
      },
      { concurrency: 1 },
    );
    await bus.publish('a', 1);
    await expect.poll(() => handled).toEqual([1]);
    await bus.publish('a', 2);
    const controller = new AbortController();
    const givenUp = bus.publish('a', 3, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(givenUp).rejects.toThrow('enough');
    open();
    await expect.poll(() => bus.stats()).toMatchObject({ delivered: 2, dropped: 1, pending: 0 });
    expect(handled).toEqual([1, 2]);
  });

  test('never sends a publish whose signal aborts while it waits; a publish that was sent stays published', async () => {
    let go!: () => void;
    const waits = new Promise<void>((resolve) => (go = resolve));
    const { bus } = await startedBus({
      publish: [
        async ({ event: { payload }, next }) => {
          if (payload === 'waits') await waits;
          await next();
        },
      ],
    });
    const handled: unknown[] = [];
    await bus.subscribeAsync('a', ({ payload }) => void handled.push(payload));
    const controller = new AbortController();
    const { signal } = controller;
    const [waiting, left] = [bus.publish('a', 'waits', { signal }), bus.publish('a', 'left', { signal })];
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await left;
    go();
    await bus.publish('a', 'afterwards');
    await expect.poll(() => handled).toEqual(['left', 'afterwards']);
    expect(bus.stats()).toMatchObject({ published: 2 });
  });

  test('gets the engine that delivered, even if the routing rules name another', async () => {
    const told: unknown[] = [];
    const bus = createEventBus({
      engines: [
        { name: 'right', engine: memoryEngine() },
        { name: 'left', engine: memoryEngine() },
      ],
      routing: [{ topics: ['a.*'], engine: 'left' }],
      middleware: {
        handle: [
          ({ event: { payload }, next, context: { engine, subscription }, router }) => {
            told.push([payload, engine, subscription.engine, router.engineFor('a.b')]);
            return next();
          },
        ],
      },
    });
    stops.push(() => bus.stop());
    await bus.start();
    await bus.subscribe('*', () => {});
    await bus.publish('a.b', 1);
    await bus.router.engine('right').publish({ topic: 'a.b', payload: 2 });
    expect(told).toEqual([
      [1, 'left', 'left,right', 'left'],
      [2, 'right', 'left,right', 'left'],
    ]);
  });

  test('publishes once and gets an error if it calls next twice', async () => {
    const { bus } = await startedBus({ publish: [async ({ next }) => (await next(), next())] });
    await expect(bus.publish('a', 1)).rejects.toMatchObject({ code: 'NEXT_CALLED_TWICE', topic: 'a' });
    expect(bus.stats().published).toBe(1);
  });

  test('cannot publish an invalid event, like any publisher', async () => {
    const { bus } = await startedBus({
      publish: [({ event, next }) => next({ ...event, topic: 'not a topic' })],
    });
    await expect(bus.publish('a', 1)).rejects.toMatchObject({ code: 'INVALID_TOPIC' });
  });
});
