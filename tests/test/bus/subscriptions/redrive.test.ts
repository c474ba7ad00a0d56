import { setTimeout as delay } from 'node:timers/promises';
import {
  type Event,
  PolybusError,
  type RedriveOptions,
  createEventBus,
  deadLetterOf,
  forTenant,
} from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { afterEach, describe, expect, test } from 'vitest';
import { quietLogger } from '../quiet-logger.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const idleMs = 300;

async function startedBus(historySize = 1000) {
  const engine = memoryEngine({ deadLetter: true, historySize });
  const bus = createEventBus({ engines: [{ name: 'm', engine }], logger: quietLogger() });
  stops.push(() => bus.stop());
  await bus.start();
  return bus;
}

/** The dead letters on a bus. */
async function lettersOf(bus: Awaited<ReturnType<typeof startedBus>>): Promise<Event[]> {
  const letters: Event[] = [];
  await bus.subscribe('_dead.*', (event) => void letters.push(event), { from: 'earliest' });
  await expect.poll(() => letters.length).toBeGreaterThan(0);
  return letters;
}

/** Two groups on one topic. `billing` fails until the test ends that. */
async function failingBilling(count: number) {
  const bus = await startedBus();
  const seen = { billing: [] as unknown[], shipping: [] as unknown[] };
  const state = { fails: true };
  await bus.subscribe(
    'order.placed',
    ({ payload, id, metadata }) => {
      if (state.fails) throw new Error('card service down');
      seen.billing.push([payload, id, metadata]);
    },
    { group: 'billing' },
  );
  await bus.subscribe('order.placed', ({ payload }) => void seen.shipping.push(payload), {
    group: 'shipping',
  });
  for (let n = 0; n < count; n++) await bus.publish('order.placed', n, { id: `e${n}`, metadata: { n } });
  return { bus, seen, state };
}

/** A bus whose broker takes events of at most `broker.limit` characters. */
async function busWithLimit() {
  const broker = { limit: Number.POSITIVE_INFINITY, sizes: [] as number[] };
  const engine = memoryEngine({ deadLetter: true });
  const publish = engine.publish.bind(engine);
  engine.publish = async (event, options) => {
    const size = JSON.stringify(event).length;
    if (size > broker.limit) throw new PolybusError('RECORD_TOO_LARGE', `${size} characters`);
    broker.sizes.push(size);
    await publish(event, options);
  };
  const logger = quietLogger();
  const bus = createEventBus({ engines: [{ name: 'm', engine }], logger });
  stops.push(() => bus.stop());
  await bus.start();
  return { bus, broker, logger };
}

describe('redrive', () => {
  test('reaches only the dead letters that the history of the memory engine holds', async () => {
    const bus = await startedBus(20);
    let fails = true;
    const handler = (): void => {
      if (fails) throw new Error('down');
    };
    await bus.subscribe('order.placed', handler, { group: 'billing' });
    for (let n = 0; n < 20; n++) await bus.publish('order.placed', n);
    expect(bus.stats().deadLettered).toBe(20);
    fails = false;
    const { redriven } = await bus.redrive('order.placed', { idleMs });
    expect(redriven).toBeGreaterThan(0);
    expect(redriven).toBeLessThan(11);
  });

  test('does not wait for the sync handler that calls it', async () => {
    const bus = await startedBus();
    const handled: unknown[] = [];
    let result: unknown;
    let fails = true;
    await bus.subscribe('order.placed', async ({ payload }) => {
      if (fails) throw new Error('down');
      if (payload === 'redrive') result = await bus.redrive('order.placed', { idleMs });
      handled.push(payload);
    });
    for (const payload of [1, 2, 3]) await bus.publish('order.placed', payload);
    fails = false;
    await bus.publish('order.placed', 'redrive');
    expect(result).toEqual({ redriven: 3, kept: 0 });
    await expect.poll(() => handled).toEqual(['redrive', 1, 2, 3]);
  });

  test('keeps a dead letter whose copy is too large for the broker with less of its error, and redrives it later', async () => {
    const { bus, broker } = await busWithLimit();
    const handled: unknown[] = [];
    let fails = true;
    await bus.subscribe(
      'order.placed',
      ({ payload }) => {
        if (fails) throw new Error('x'.repeat(500));
        handled.push(payload);
      },
      { group: 'billing' },
    );
    const payload = 'p'.repeat(5000);
    await bus.publish('order.placed', payload);
    broker.limit = Math.max(...broker.sizes) + 20;
    expect(await bus.redrive('order.placed', { idleMs, filter: () => false })).toEqual({
      redriven: 0,
      kept: 1,
    });
    fails = false;
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 1, kept: 0 });
    expect(handled).toEqual([payload]);
  });

  test.each([
    ['is no dead letter', {}],
    ['has the field of a dead letter, and other content in it', { 'polybus.deadLetter': {} }],
    ['has a note of redrive that is none', { 'polybus.kept': null }],
  ])('reports a record that is too large to keep and %s, and goes on', async (_, metadata) => {
    const { bus, broker, logger } = await busWithLimit();
    const handled: unknown[] = [];
    let fails = true;
    const handler = ({ payload }: Event): void => {
      if (fails) throw new Error('down');
      handled.push(payload);
    };
    await bus.subscribe('order.placed', handler, { group: 'billing' });
    const payload = 'p'.repeat(50_000);
    await bus.publish('_dead.order.placed', payload, { id: 'foreign', metadata });
    await bus.publish('order.placed', 1);
    broker.limit = 40_000;
    fails = false;
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 1, kept: 0 });
    expect(handled).toEqual([1]);
    expect(logger.lines.filter(({ message }) => message.startsWith('redrive'))).toMatchObject([
      { level: 'warn', fields: { id: 'foreign', topic: '_dead.order.placed' } },
    ]);
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 0, kept: 0 });
  });

  test('publishes dead letters back, and only the group that failed handles them again', async () => {
    const { bus, seen, state } = await failingBilling(3);
    expect(bus.stats().deadLettered).toBe(3);
    state.fails = false;
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 3, kept: 0 });
    expect(seen.billing).toEqual([0, 1, 2].map((n) => [n, `e${n}`, { n }]));
    expect(seen.shipping).toEqual([0, 1, 2]);
  });

  test('redrives each dead letter once, however often it is called', async () => {
    const { bus, seen, state } = await failingBilling(3);
    state.fails = false;
    expect(await bus.redrive('order.placed', { idleMs, limit: 2 })).toEqual({ redriven: 2, kept: 0 });
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 1, kept: 0 });
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 0, kept: 0 });
    expect(seen.billing.map((one) => (one as unknown[])[0])).toEqual([0, 1, 2]);
  });

  test('rejects if an event cannot be published back, and leaves the dead letters for the next redrive', async () => {
    const { bus, seen, state } = await failingBilling(5);
    state.fails = false;
    const engine = bus.router.engine('m');
    const publish = engine.publish.bind(engine);
    let accepts = 2;
    engine.publish = (event, options) =>
      event.topic === 'order.placed' && accepts-- <= 0
        ? Promise.reject(new Error('the broker is down'))
        : publish(event, options);
    await expect(bus.redrive('order.placed', { idleMs })).rejects.toThrow('the broker is down');
    expect(seen.billing).toHaveLength(2);
    engine.publish = publish;
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 3, kept: 0 });
    expect(seen.billing.map((one) => (one as unknown[])[0])).toEqual([0, 1, 2, 3, 4]);
  });

  test('rejects with the error of a filter that throws, and loses no dead letter', async () => {
    const { bus, seen, state } = await failingBilling(3);
    state.fails = false;
    const filter = ({ payload }: { payload: unknown }): boolean => {
      if (payload === 1) throw new Error('a filter that fails');
      return true;
    };
    await expect(bus.redrive('order.placed', { idleMs, filter })).rejects.toThrow('a filter that fails');
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 2, kept: 0 });
    expect(seen.billing.map((one) => (one as unknown[])[0])).toEqual([0, 1, 2]);
  });

  test.each([
    { idleMs: 2 ** 31 },
    { idleMs: Number.POSITIVE_INFINITY },
    { idleMs: '500' },
    { limit: 1.5 },
    { limit: '2' },
    { filter: 'payload' },
    { group: 5 },
    { group: 'two words' },
    { signal: 5 },
  ])('refuses the option %o', async (options) => {
    const bus = await startedBus();
    const redriving = bus.redrive('order.placed', options as unknown as RedriveOptions);
    await expect(redriving).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  test('refuses an invalid dead-letter topic', async () => {
    const bus = await startedBus();
    const redriving = bus.redrive('order.placed', { deadLetter: 5 as unknown as string });
    await expect(redriving).rejects.toMatchObject({ code: 'INVALID_TOPIC' });
  });

  test('keeps dead letters that the filter or the group excludes, for a later redrive', async () => {
    const { bus, seen, state } = await failingBilling(4);
    state.fails = false;
    const even = { idleMs, filter: ({ payload }: { payload: unknown }) => (payload as number) % 2 === 0 };
    expect(await bus.redrive('order.placed', even)).toEqual({ redriven: 2, kept: 2 });
    expect(await bus.redrive('order.placed', { idleMs, group: 'shipping' })).toEqual({
      redriven: 0,
      kept: 2,
    });
    expect(await bus.redrive('order.placed', { idleMs, group: 'billing' })).toEqual({ redriven: 2, kept: 0 });
    expect(seen.billing.map((one) => (one as unknown[])[0])).toEqual([0, 2, 1, 3]);
  });

  test('redrives two dead letters of an event that failed in two groups', async () => {
    const { bus, seen, state } = await failingBilling(1);
    await bus.subscribe(
      'order.placed',
      ({ payload }) => {
        if (state.fails) throw new Error('the printer too');
        seen.shipping.push(payload);
      },
      { group: 'printing' },
    );
    await bus.publish('order.placed', 1, { id: 'e1' });
    expect(bus.stats().deadLettered).toBe(3);
    expect(await bus.redrive('order.placed', { idleMs, filter: () => false })).toEqual({
      redriven: 0,
      kept: 3,
    });
    state.fails = false;
    expect(await bus.redrive('order.placed', { idleMs })).toEqual({ redriven: 3, kept: 0 });
    expect(seen.billing.map((one) => (one as unknown[])[0])).toEqual([0, 1]);
    expect(seen.shipping).toEqual([0, 1, 1]);
  });

  test('does not redrive an event forever that fails again', async () => {
    const { bus, state } = await failingBilling(2);
    const first = await bus.redrive('order.placed', { idleMs });
    expect(first.redriven).toBe(2);
    state.fails = false;
    expect((await bus.redrive('order.placed', { idleMs })).redriven).toBe(2);
    expect((await bus.redrive('order.placed', { idleMs })).redriven).toBe(0);
  });

  test('reports that a misspelt topic has no dead letters, and writes none', async () => {
    const { bus } = await failingBilling(2);
    const seen: string[] = [];
    await bus.subscribe('_dead.*', ({ id }) => void seen.push(id), { from: 'earliest' });
    expect(await bus.redrive('order.plcaed', { idleMs })).toEqual({
      redriven: 0,
      kept: 0,
      notFound: '_dead.order.plcaed',
    });
    for (let n = 0; n < 2; n++)
      expect(await bus.redrive('order.placed', { idleMs, filter: () => false })).toEqual({
        redriven: 0,
        kept: 2,
      });
    expect(seen).toEqual(['e0', 'e1']);
  });

  test.each([
    ['whole', undefined, 1],
    ['cut in what its error says', ['error.message', 'error.stack'], 1],
    ['cut in its payload too', ['error.stack', 'payload'], 0],
  ])('handles a dead letter that is %s', async (_, fields, redriven) => {
    const { bus, state } = await failingBilling(1);
    state.fails = false;
    const [letter] = await lettersOf(bus);
    const origin = { ...deadLetterOf(letter!), ...(fields && { cut: { fields, bytes: 1, sha256: '' } }) };
    await bus.publish('_dead.other', 0, {
      key: 'k',
      metadata: { 'polybus.deadLetter': { ...origin, sourceTopic: 'other' } },
    });
    const seen: unknown[] = [];
    await bus.subscribe('other', ({ payload, key }) => void seen.push([payload, key]), { group: 'billing' });
    expect(await bus.redrive('other', { idleMs })).toEqual({ redriven, kept: 1 - redriven });
    expect(seen).toEqual(redriven === 1 ? [[0, 'k']] : []);
  });

  test('keeps the key of a kept dead letter for the later redrive', async () => {
    const { bus, state } = await failingBilling(0);
    const keys: unknown[] = [];
    await bus.subscribe('keyed', ({ key }) => {
      if (state.fails) throw new Error('no');
      keys.push(key);
    });
    await bus.publish('keyed', 1, { key: 'k' });
    await bus.publish('keyed', 2);
    for (const filter of [() => false, () => false, () => true]) {
      state.fails = false;
      await bus.redrive('keyed', { idleMs, filter });
    }
    expect(keys).toEqual(['k', undefined]);
  });

  test('needs an engine that stores events', async () => {
    const bus = await startedBus(0);
    await expect(bus.redrive('order.placed')).rejects.toMatchObject({
      code: 'UNSUPPORTED_CAPABILITY',
      option: 'redrive',
    });
  });
});

/** The engine, whose consumer groups take so long to form. */
function slowToSubscribe(engine: Engine, ms: number): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'subscribe') return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: Parameters<Engine['subscribe']>) => {
        await delay(ms);
        return target.subscribe(...args);
      };
    },
  });
}

describe('redrive over several engines', () => {
  /** An engine for one tenant, and an engine for all others. Each has three dead letters of the group `g`. */
  async function twoEngines(joinMs = 0) {
    const config = { deadLetter: true, historySize: 1000 };
    const bus = createEventBus({
      engines: [
        { name: 'shared', engine: memoryEngine(config) },
        { name: 'acme', engine: slowToSubscribe(memoryEngine(config), joinMs) },
      ],
      routing: [
        { topics: ['*'], engine: 'acme', tenants: ['acme'] },
        { topics: ['*'], engine: 'shared' },
      ],
      logger: quietLogger(),
    });
    stops.push(() => bus.stop());
    await bus.start();
    const state = { fails: true };
    const seen: string[] = [];
    const handler = ({ payload }: { payload: unknown }): void => {
      if (state.fails) throw new Error('down');
      seen.push(payload as string);
    };
    await bus.subscribe('a', handler, { group: 'g', tenant: 'acme' });
    await bus.subscribe('a', handler, { group: 'g', tenant: 'beta' });
    for (const tenant of ['acme', 'beta'])
      for (let n = 0; n < 3; n++) await bus.publish('a', `${tenant} ${n}`, { metadata: { tenant } });
    state.fails = false;
    return { bus, seen };
  }

  test('takes the dead letters of each engine, up to the limit', async () => {
    const { bus, seen } = await twoEngines(idleMs + 10);
    expect(await bus.redrive('a', { idleMs, limit: 4 })).toEqual({ redriven: 4, kept: 0 });
    expect(await bus.redrive('a', { idleMs })).toEqual({ redriven: 2, kept: 0 });
    expect(seen.toSorted()).toEqual(['acme 0', 'acme 1', 'acme 2', 'beta 0', 'beta 1', 'beta 2']);
  });

  test('reads all engines, even if dead letters are kept on the first', async () => {
    const { bus, seen } = await twoEngines(idleMs + 10);
    const filter = ({ metadata }: Event): boolean => metadata['tenant'] === 'acme';
    expect(await bus.redrive('a', { idleMs, filter })).toEqual({ redriven: 3, kept: 3 });
    expect(seen).toEqual(['acme 0', 'acme 1', 'acme 2']);
    expect(await bus.redrive('a', { idleMs, filter: () => false })).toEqual({ redriven: 0, kept: 3 });
  });

  test('is limited to a tenant, and to a group of that tenant, if they are set', async () => {
    const { bus, seen } = await twoEngines();
    expect(await bus.redrive('a', { idleMs, tenant: 'beta', group: 'g' })).toEqual({ redriven: 3, kept: 0 });
    expect(await forTenant(bus, 'acme').redrive('a', { idleMs, group: 'other' })).toEqual({
      redriven: 0,
      kept: 3,
    });
    expect(await forTenant(bus, 'acme').redrive('a', { idleMs })).toEqual({ redriven: 3, kept: 0 });
    expect(seen).toEqual(['beta 0', 'beta 1', 'beta 2', 'acme 0', 'acme 1', 'acme 2']);
  });

  test('waits until its group has formed, however long that takes', async () => {
    const { bus } = await twoEngines(200);
    expect(await bus.redrive('a', { idleMs, tenant: 'acme' })).toEqual({ redriven: 3, kept: 0 });
  });
});
