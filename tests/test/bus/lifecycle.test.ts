import { type LifecycleEvent, createEventBus, lifecycleEventTypes } from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import { CloudEvent } from 'cloudevents';
import { describe, expect, test } from 'vitest';
import { quietLogger } from './quiet-logger.ts';

const short = ({ type }: LifecycleEvent): string => type.replace('com.modular.eventbus.', '');

describe('lifecycle events', () => {
  test('cover the whole life of a bus, in order, as valid CloudEvents', async () => {
    const events: LifecycleEvent[] = [];
    const bus = createEventBus({
      engines: [{ name: 'm', engine: memoryEngine({ retry: { attempts: 2, backoff: { initialMs: 0 } } }) }],
      observers: [(event) => void events.push(event)],
      source: '/orders',
      logger: quietLogger(),
    });
    await bus.start();
    await bus.start();
    const first = await bus.subscribe('a.*', () => {});
    const second = await bus.subscribe('a.*', ({ payload }) => {
      if (payload === 'bad') throw new TypeError('cannot');
    });
    await bus.publish('a.b', 'good');
    await bus.publish('a.b', 'bad');
    await first.cancel();
    await second.cancel();
    await bus.stop();
    await bus.stop();
    expect(events.map(short)).toEqual([
      'config.loaded',
      'bus.started',
      'topic.created',
      'subscription.created',
      'subscription.created',
      'message.received',
      'message.received',
      'message.published',
      'message.received',
      'message.received',
      'message.failed',
      'message.received',
      'message.failed',
      'message.published',
      'subscription.removed',
      'subscription.removed',
      'topic.deleted',
      'bus.stopped',
    ]);
    const failures = events.filter(({ type }) => type.endsWith('failed')).map(({ data }) => data);
    expect(failures).toMatchObject([
      {
        topic: 'a.b',
        engine: 'm',
        subscription: second.id,
        attempt: 1,
        outcome: 'retry',
        error: { name: 'TypeError' },
      },
      {
        topic: 'a.b',
        engine: 'm',
        subscription: second.id,
        attempt: 2,
        outcome: 'discarded',
        error: { message: 'cannot' },
      },
    ]);
    expect(new Set(events.map(({ type }) => type)).size).toBe(lifecycleEventTypes.length);
    for (const event of events) expect(new CloudEvent({ ...event }).validate()).toBe(true);
    expect(new Set(events.map(({ source }) => source))).toEqual(new Set(['/orders']));
  });

  test('are not affected by an observer that throws or rejects', async () => {
    const logger = quietLogger();
    const seen: string[] = [];
    const bus = createEventBus({ logger });
    bus.observe(() => {
      throw new Error('bad observer');
    });
    bus.observe(() => Promise.reject(new Error('bad observer')));
    const end = bus.observe((event) => void seen.push(short(event)));
    await bus.start();
    expect(seen).toEqual(['config.loaded', 'bus.started']);
    end();
    await bus.stop();
    expect(seen).toEqual(['config.loaded', 'bus.started']);
    await expect
      .poll(() => logger.lines.filter(({ message }) => message === 'an observer failed').length)
      .toBe(6);
  });

  test('include a dropped event, with the reason', async () => {
    const events: LifecycleEvent[] = [];
    const bus = createEventBus({
      engines: [{ name: 'm', engine: memoryEngine({ defaultEventBufferSize: 1 }) }],
      observers: [(event) => void events.push(event)],
      logger: quietLogger(),
    });
    await bus.start();
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    await bus.subscribeAsync('a', () => held, { concurrency: 1 });
    for (let i = 0; i < 4; i++) {
      await bus.publish('a', i);
      await expect.poll(() => bus.stats().enqueued).toBe(i + 1);
    }
    release();
    await bus.stop();
    const dropped = events.filter(({ data }) => data['outcome'] === 'dropped');
    expect(dropped.map(({ data }) => [data['topic'], data['engine'], data['reason']])).toEqual([
      ['a', 'm', 'buffer-full'],
      ['a', 'm', 'buffer-full'],
    ]);
    expect(bus.stats()).toMatchObject({ enqueued: 4, delivered: 2, dropped: 2, pending: 0 });
  });

  test('include a failed publish', async () => {
    const events: LifecycleEvent[] = [];
    const bus = createEventBus({ observers: [(event) => void events.push(event)], logger: quietLogger() });
    await bus.start();
    await bus.stop();
    await expect(bus.publish('a', 1)).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
    expect(events.at(-1)).toMatchObject({ data: { topic: 'a', outcome: 'not-published' } });
  });
});
