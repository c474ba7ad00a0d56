import { type LifecycleEvent, UndecodableRecordError, createEventBus } from '@polybus/core';
import { type EngineHost, createEvent } from '@polybus/core/engine';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { CloudEvent } from 'cloudevents';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { HandTransport, forgotten, handEngine } from './hand-engine.ts';
import { quietLogger } from './quiet-logger.ts';

const short = ({ type }: LifecycleEvent): string => type.replace('com.modular.eventbus.', '');

/** The lifecycle events by type, with the requested data. */
function record(): { events: LifecycleEvent[]; observe: (event: LifecycleEvent) => void } {
  const events: LifecycleEvent[] = [];
  return { events, observe: (event) => void events.push(event) };
}

describe('lifecycle events of the bus', () => {
  test('config.loaded is sent at the first start only, with the engines, their types and the routing', async () => {
    const { events, observe } = record();
    const bus = createEventBus({
      engines: [
        { name: 'local', type: 'memory' },
        { name: 'log', engine: durableMemoryEngine() },
      ],
      routing: [{ topics: ['a.*'], engine: 'log' }],
      observers: [observe],
      logger: quietLogger(),
    });
    expect(events).toEqual([]);
    await bus.start();
    await bus.stop();
    await bus.start();
    await bus.stop();
    expect(events.map(short)).toEqual([
      'config.loaded',
      'bus.started',
      'bus.stopped',
      'bus.started',
      'bus.stopped',
    ]);
    expect(events[0]!.data).toEqual({
      engines: ['local', 'log'],
      types: { local: 'memory', log: 'durable-memory' },
      rules: 1,
      defaultEngine: 'local',
      isMultiEngine: true,
    });
    expect(events[1]!.data).toEqual({ engines: ['local', 'log'] });
  });

  test('bus.started is not sent if an engine did not start, and bus.stopped not if none was started', async () => {
    const { events, observe } = record();
    const transport = new HandTransport();
    transport.open = () => Promise.reject(new Error('the broker is out'));
    const bus = createEventBus({
      engines: [{ name: 'hand', engine: handEngine(transport) }],
      observers: [observe],
      logger: quietLogger(),
    });
    await expect(bus.start()).rejects.toThrow('the broker is out');
    await bus.stop();
    expect(events.map(short)).toEqual(['config.loaded']);
  });

  test('bus.stopped is the last event, contains errors of the stop, and follows the removal of subscriptions', async () => {
    const { events, observe } = record();
    const bus = createEventBus({ observers: [observe], logger: quietLogger() });
    await bus.start();
    await bus.subscribe('b', () => {});
    let begun!: () => void;
    const running = new Promise<void>((resolve) => (begun = resolve));
    await bus.subscribeAsync('a', () => {
      begun();
      return new Promise(() => {});
    });
    await bus.publish('a', 1);
    await running;
    events.length = 0;
    await expect(bus.stop({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT' });
    expect(events.map((event) => [short(event), event.data['topic'], event.data['reason']])).toEqual([
      ['message.failed', 'a', 'stopped'],
      ['subscription.removed', 'b', 'stopped'],
      ['topic.deleted', 'b', undefined],
      ['subscription.removed', 'a', 'stopped'],
      ['topic.deleted', 'a', undefined],
      ['bus.stopped', undefined, undefined],
    ]);
    expect(events.at(-1)!.data).toMatchObject({ error: { name: 'ShutdownTimeoutError' } });
  });
});

describe('lifecycle events of topics and subscriptions', () => {
  test('topic.created is sent for the first subscription to a topic or pattern, topic.deleted for the last', async () => {
    const { events, observe } = record();
    const bus = createEventBus({
      engines: [
        { name: 'one', engine: memoryEngine() },
        { name: 'two', engine: memoryEngine() },
      ],
      routing: [{ topics: ['a.*'], engine: 'two' }],
      logger: quietLogger(),
    });
    await bus.start();
    bus.observe(observe);
    const all = await bus.subscribe('*', () => {});
    const first = await bus.subscribe('a.b', () => {});
    const second = await bus.subscribeAsync('a.b', () => {}, { group: 'g' });
    await first.cancel();
    await first.cancel();
    await Promise.all([second.cancel(), second.cancel()]);
    await all.cancel();
    await bus.stop();
    const ofAll = { topic: '*', engine: 'two,one' };
    const ofBoth = { topic: 'a.b', engine: 'two' };
    expect(events.slice(0, -1).map((event) => [short(event), event.data])).toEqual([
      ['topic.created', ofAll],
      ['subscription.created', { ...ofAll, isAsync: false, group: undefined, subscription: all.id }],
      ['topic.created', ofBoth],
      ['subscription.created', { ...ofBoth, isAsync: false, group: undefined, subscription: first.id }],
      ['subscription.created', { ...ofBoth, isAsync: true, group: 'g', subscription: second.id }],
      [
        'subscription.removed',
        { ...ofBoth, isAsync: false, group: undefined, subscription: first.id, reason: 'cancelled' },
      ],
      [
        'subscription.removed',
        { ...ofBoth, isAsync: true, group: 'g', subscription: second.id, reason: 'cancelled' },
      ],
      ['topic.deleted', ofBoth],
      [
        'subscription.removed',
        { ...ofAll, isAsync: false, group: undefined, subscription: all.id, reason: 'cancelled' },
      ],
      ['topic.deleted', ofAll],
    ]);
  });

  test('subscription.created is sent before the first event, even if the engine delivers that before subscribe resolves', async () => {
    const { events, observe } = record();
    const transport = new HandTransport();
    transport.onListen = async (receiver) =>
      receiver.deliver(createEvent({ topic: 'a', payload: 1 }), forgotten);
    const bus = createEventBus({
      engines: [{ name: 'hand', engine: handEngine(transport) }],
      logger: quietLogger(),
    });
    await bus.start();
    bus.observe(observe);
    await bus.subscribe('a', () => {});
    expect(events.map(short)).toEqual(['topic.created', 'subscription.created', 'message.received']);
    await bus.stop();
  });

  test('a failed subscription is reported only if it got events, and then with its end', async () => {
    const { events, observe } = record();
    const transport = new HandTransport();
    const bus = createEventBus({
      engines: [{ name: 'hand', engine: handEngine(transport) }],
      logger: quietLogger(),
    });
    await bus.start();
    bus.observe(observe);
    transport.onListen = () => Promise.reject(new Error('no'));
    await expect(bus.subscribe('a', () => {})).rejects.toThrow('no');
    expect(events).toEqual([]);
    transport.onListen = (receiver) => {
      receiver.deliver(createEvent({ topic: 'a', payload: 1 }), forgotten);
      return Promise.reject(new Error('no'));
    };
    await expect(bus.subscribe('a', () => {})).rejects.toThrow('no');
    expect(events.map(short)).toEqual([
      'topic.created',
      'subscription.created',
      'message.received',
      'subscription.removed',
      'topic.deleted',
    ]);
    await bus.stop();
  });
});

describe('lifecycle events of messages', () => {
  test('an undecodable record is reported, with its outcome', async () => {
    const { events, observe } = record();
    const transport = new HandTransport();
    const bus = createEventBus({
      engines: [{ name: 'hand', engine: handEngine(transport) }],
      logger: quietLogger(),
    });
    await bus.start();
    const kept = await bus.subscribe('a', () => {}, { deadLetter: true });
    const lost = await bus.subscribe('a', () => {}, { deadLetter: false });
    bus.observe(observe);
    const error = new UndecodableRecordError('it is not JSON', { topic: 'a' });
    for (const receiver of transport.receivers)
      receiver.undecodable({ topic: 'a', bytes: Buffer.from('?'), key: 'k', error }, forgotten);
    await expect.poll(() => bus.stats().failed).toBe(2);
    const told = { topic: 'a', engine: 'hand', key: 'k', attempt: 0, error: { name: error.name } };
    const failures = events.filter((event) => short(event) === 'message.failed');
    expect(failures.map(({ data }) => data)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ...told,
          error: expect.objectContaining(told.error) as object,
          subscription: kept.id,
          outcome: 'dead-letter',
        }),
        expect.objectContaining({
          ...told,
          error: expect.objectContaining(told.error) as object,
          subscription: lost.id,
          outcome: 'discarded',
        }),
      ]),
    );
    expect(failures).toHaveLength(2);
    await bus.stop();
  });

  test('a period in which events may have been missed is reported and logged', async () => {
    const { events, observe } = record();
    const logger = quietLogger();
    const transport = new HandTransport();
    const bus = createEventBus({ engines: [{ name: 'hand', engine: handEngine(transport) }], logger });
    await bus.start();
    const since = new Date(1000);
    const until = new Date(2000);
    transport.context.missed({ topic: 'a.*', since, until, reason: 'the connection was lost' });
    bus.observe(observe);
    transport.context.missed({ topic: 'a.*', since, until, reason: 'the connection was lost' });
    expect(events.map(({ type, data }) => ({ type, data }))).toEqual([
      {
        type: 'com.modular.eventbus.message.failed',
        data: {
          topic: 'a.*',
          engine: 'hand',
          outcome: 'missed',
          since: '1970-01-01T00:00:01.000Z',
          until: '1970-01-01T00:00:02.000Z',
          reason: 'the connection was lost',
        },
      },
    ]);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'events may have been missed',
      'events may have been missed',
    ]);
    await bus.stop();
  });

  test('a publish that a schema, a middleware or the broker rejects is reported once', async () => {
    const { events, observe } = record();
    const transport = new HandTransport();
    const bus = createEventBus({
      engines: [{ name: 'hand', engine: handEngine(transport) }],
      schemas: { number: z.number() },
      middleware: {
        publish: [
          ({ event, next }) => (event.topic === 'secret' ? Promise.reject(new Error('not this')) : next()),
        ],
      },
      logger: quietLogger(),
    });
    await bus.start();
    bus.observe(observe);
    await expect(bus.untyped.publish({ topic: 'number', payload: 'one' })).rejects.toThrow('number');
    await expect(bus.untyped.publish({ topic: 'secret', payload: 1 })).rejects.toThrow('not this');
    const broken = new Error('the broker is out');
    transport.onSend = () => Promise.reject(broken);
    await expect(bus.untyped.publish({ topic: 'a', payload: 1, id: '1', key: 'k' })).rejects.toBe(broken);
    // The same error object for another event: that is another failure.
    await expect(bus.untyped.publish({ topic: 'a', payload: 1, id: '2' })).rejects.toBe(broken);
    const error = { name: 'Error', message: 'the broker is out' };
    expect(events.map(({ data }) => data)).toMatchObject([
      { topic: 'number', outcome: 'not-published', error: { name: 'SchemaValidationError' } },
      { topic: 'secret', outcome: 'not-published', error: { message: 'not this' } },
      { topic: 'a', engine: 'hand', eventId: '1', key: 'k', outcome: 'not-published', error },
      { topic: 'a', engine: 'hand', eventId: '2', outcome: 'not-published', error },
    ]);
    await bus.stop();
  });

  test('a redrive reports its subscription and the events that it publishes back', async () => {
    const { events, observe } = record();
    const bus = createEventBus({
      engines: [{ name: 'm', engine: durableMemoryEngine({ retry: false, deadLetter: true }) }],
      logger: quietLogger(),
    });
    await bus.start();
    let isBroken = true;
    await bus.subscribe('a', () => {
      if (isBroken) throw new Error('no');
    });
    await bus.publish('a', 1);
    isBroken = false;
    bus.observe(observe);
    expect(await bus.redrive('a', { limit: 1 })).toEqual({ redriven: 1, kept: 0 });
    const told = events.map((event) => [short(event), event.data['topic']]);
    // The topic of dead letters that it does not publish back.
    const [kept, rest] = [true, false].map((is) =>
      told.filter(([, topic]) => (topic === '_kept._dead.a') === is),
    );
    expect(kept?.map(([what]) => what)).toEqual([
      'message.published',
      'topic.created',
      'subscription.created',
      'message.received',
      'subscription.removed',
      'topic.deleted',
    ]);
    expect(rest).toEqual([
      ['topic.created', '_dead.a'],
      ['subscription.created', '_dead.a'],
      ['message.received', '_dead.a'],
      ['message.received', 'a'],
      ['message.published', 'a'],
      ['subscription.removed', '_dead.a'],
      ['topic.deleted', '_dead.a'],
    ]);
    await bus.stop();
  });
});

describe('observers', () => {
  test('see the same order, even if the first observer publishes', async () => {
    const bus = createEventBus({ logger: quietLogger() });
    await bus.start();
    await bus.subscribe('a', () => {});
    await bus.subscribe('b', () => {});
    const seen: [string[], string[]] = [[], []];
    bus.observe((event) => {
      seen[0].push(`${short(event)} ${String(event.data['topic'])}`);
      if (short(event) === 'message.received' && event.data['topic'] === 'a')
        return bus.untyped.publish({ topic: 'b', payload: 1 });
      return undefined;
    });
    bus.observe((event) => void seen[1].push(`${short(event)} ${String(event.data['topic'])}`));
    await bus.publish('a', 1);
    await expect.poll(() => seen[0].length).toBe(4);
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0][0]).toBe('message.received a');
    await bus.stop();
  });

  test('get immutable events that are valid CloudEvents, also as JSON', async () => {
    const { events, observe } = record();
    const bus = createEventBus({ observers: [observe], logger: quietLogger() });
    await bus.start();
    await bus.subscribe('a', () => Promise.reject(new Error('no')));
    await bus.publish('a', 1);
    await bus.stop();
    for (const event of events) {
      expect(new CloudEvent(JSON.parse(JSON.stringify(event)) as object, true).validate()).toBe(true);
      expect(Object.isFrozen(event) && Object.isFrozen(event.data)).toBe(true);
    }
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  });

  test('affect nothing if an observer and the logger both throw', async () => {
    const thrower = (): never => {
      throw new Error('bad');
    };
    const bus = createEventBus({ observers: [thrower], logger: { warn: thrower, error: thrower } });
    await bus.start();
    let handled = 0;
    await bus.subscribe('a', () => void handled++);
    await bus.publish('a', 1);
    await bus.stop();
    expect(handled).toBe(1);
  });

  test('cost nothing if there are none, because engines know it', async () => {
    let host!: EngineHost;
    const engine = memoryEngine();
    const attach = engine.attach!.bind(engine);
    engine.attach = (given) => attach((host = given));
    const bus = createEventBus({ engines: [{ name: 'm', engine }], logger: quietLogger() });
    expect(host.observer.active).toBe(false);
    expect(host.observer.attempted).toBeUndefined();
    const ends = [bus.observe(() => {}), bus.observeAttempts(() => {}), bus.observeAttempts(() => {})];
    expect(host.observer.active).toBe(true);
    expect(host.observer.attempted).toBeDefined();
    for (const end of ends) end();
    expect(host.observer.active).toBe(false);
    expect(host.observer.attempted).toBeUndefined();
  });
});
