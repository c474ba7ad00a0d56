import {
  type EventBusOptions,
  UndecodableRecordError,
  createEventBus,
  deadLetterOf,
  forTenant,
  tenantMiddleware,
} from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { HandTransport, forgotten, handEngine } from '../hand-engine.ts';
import { quietLogger } from '../quiet-logger.ts';

async function startedBus(options: EventBusOptions = {}) {
  const bus = createEventBus({ logger: quietLogger(), ...options });
  onTestFinished(() => bus.stop());
  await bus.start();
  return bus;
}

describe('a bus for a tenant', () => {
  test('publishes with its tenant, and gets no event of another', async () => {
    const bus = await startedBus();
    const [acme, globex] = [forTenant(bus, 'acme'), forTenant(bus, 'globex')];
    const seen: Record<string, unknown[]> = { acme: [], globex: [], all: [] };
    await acme.subscribe('order.*', ({ payload }) => void seen['acme']!.push(payload));
    await globex.subscribe('order.*', ({ payload }) => void seen['globex']!.push(payload));
    await bus.subscribe('order.*', ({ payload, metadata }) => {
      seen['all']!.push([payload, metadata]);
    });
    await acme.publish('order.placed', 1);
    await globex.publish({ topic: 'order.placed', payload: 2, metadata: { trace: 't' } });
    await bus.publish('order.placed', 3);
    expect(seen).toEqual({
      acme: [1],
      globex: [2],
      all: [
        [1, { tenant: 'acme' }],
        [2, { trace: 't', tenant: 'globex' }],
        [3, {}],
      ],
    });
    expect(bus.stats()).toMatchObject({ published: 3, enqueued: 5, delivered: 5, dropped: 0 });
  });

  test('does not run middleware and schemas for events of others', async () => {
    const handled: unknown[] = [];
    const bus = createEventBus({
      logger: quietLogger(),
      schemas: { 'order.placed': z.object({ id: z.number() }) },
      middleware: { handle: [({ event: { metadata }, next }) => (handled.push(metadata['tenant']), next())] },
    });
    onTestFinished(() => bus.stop());
    await bus.start();
    await forTenant(bus, 'acme').subscribe('order.placed', () => {});
    // Past the bus, as a foreign producer: it does not fit the schema, and is another tenant's.
    await bus.router
      .engine(bus.router.engineNames()[0]!)
      .publish({ topic: 'order.placed', payload: 'bad', metadata: { tenant: 'globex' } });
    await forTenant(bus, 'acme').publish('order.placed', { id: 1 });
    expect(handled).toEqual(['acme']);
    expect(bus.stats()).toMatchObject({ enqueued: 1, failed: 0 });
  });

  test('has its own consumer groups, which lifecycle events and dead letters name', async () => {
    const bus = await startedBus();
    const groups: unknown[] = [];
    bus.observe(({ type, data }) => {
      if (type.endsWith('subscription.created') || type.endsWith('message.received'))
        groups.push(data['group']);
    });
    const dead: unknown[] = [];
    await bus.subscribe(
      '_dead.*',
      (event) => void dead.push([deadLetterOf(event)!.group, event.metadata['tenant']]),
    );
    groups.length = 0;
    const { group } = await forTenant(bus, 'acme').subscribe(
      'a',
      () => {
        throw new Error('no');
      },
      { group: 'workers', retry: false, deadLetter: true },
    );
    expect(group).toBe('_tenant.acme.workers');
    await forTenant(bus, 'acme').publish('a', 1);
    expect(groups).toEqual(['_tenant.acme.workers', '_tenant.acme.workers', undefined]);
    expect(dead).toEqual([['_tenant.acme.workers', 'acme']]);
  });

  test('streams its events', async () => {
    const bus = await startedBus();
    const acme = forTenant(bus, 'acme');
    const seen: unknown[] = [];
    const events = acme.events('a');
    const reading = (async () => {
      for await (const { payload } of events) if (seen.push(payload) === 2) break;
    })();
    await expect.poll(() => bus.subscriberCount('a')).toBe(1);
    await bus.publish('a', 0);
    await acme.publish('a', 1);
    await forTenant(bus, 'globex').publish('a', 2);
    await acme.publish('a', 3);
    await reading;
    expect(seen).toEqual([1, 3]);
  });

  test('redrives dead letters that its filter accepts, and none of other tenants', async () => {
    const bus = await startedBus({ retentionDays: 1 });
    let isBroken = true;
    const handled: unknown[] = [];
    for (const tenant of ['acme', 'globex']) {
      await forTenant(bus, tenant).subscribe(
        'a',
        ({ payload }) => {
          if (isBroken) throw new Error('no');
          handled.push([tenant, payload]);
        },
        { group: 'workers', deadLetter: true },
      );
      await forTenant(bus, tenant).publish('a', 1);
    }
    isBroken = false;
    const filter = ({ metadata }: { metadata: Readonly<Record<string, unknown>> }) =>
      metadata['tenant'] === 'acme';
    expect(await bus.redrive('a', { filter })).toEqual({ redriven: 1, kept: 1 });
    expect(handled).toEqual([['acme', 1]]);
  });

  test.each(['', 'a.b', 'a b', 'é', 'x'.repeat(65), undefined, 7])(
    'cannot have the name %j',
    async (tenant) => {
      const bus = await startedBus();
      expect(() => forTenant(bus, tenant as string)).toThrow(
        expect.objectContaining({ code: 'INVALID_TENANT' }) as Error,
      );
    },
  );

  test('refuses to publish for another tenant', async () => {
    const bus = await startedBus();
    const acme = forTenant(bus, 'acme');
    const metadata = { tenant: 'globex' };
    const refused = { code: 'INVALID_TENANT' };
    await expect(acme.publish('a', 1, { metadata })).rejects.toMatchObject(refused);
    await expect(acme.publish({ topic: 'a', payload: 1, metadata })).rejects.toMatchObject(refused);
    await expect(acme.subscribe('a', () => {}, metadata)).rejects.toMatchObject(refused);
    expect(() => acme.events('a', metadata)).toThrow(/bus of the tenant "acme"/);
    const group = 'x'.repeat(195);
    await expect(acme.subscribe('a', () => {}, { group })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect(bus.stats().published).toBe(0);
    expect(bus.topics()).toEqual([]);
  });
});

describe('the middleware for tenants', () => {
  test('refuses an event without a tenant, or with an invalid tenant', async () => {
    const bus = await startedBus({ middleware: tenantMiddleware() });
    await expect(bus.publish('a', 1)).rejects.toMatchObject({
      code: 'INVALID_TENANT',
      topic: 'a',
      message: 'The event has no tenant: publish it through forTenant(bus, tenant), or set metadata.tenant',
    });
    await expect(bus.publish('a', 1, { metadata: { tenant: 'a b' } })).rejects.toMatchObject({
      code: 'INVALID_TENANT',
      topic: 'a',
    });
    await bus.publish('a', 1, { metadata: { tenant: 'acme' } });
    expect(bus.stats().published).toBe(1);
  });

  test('can accept events without a tenant', async () => {
    const bus = await startedBus({ middleware: tenantMiddleware({ required: false }) });
    await bus.publish('a', 1);
    await expect(bus.publish('a', 1, { metadata: { tenant: 7 } })).rejects.toMatchObject({
      code: 'INVALID_TENANT',
    });
    expect(bus.stats().published).toBe(1);
  });

  test('adds the tenant of a handled event to the events that its handler publishes', async () => {
    const bus = await startedBus({ middleware: tenantMiddleware({ required: false }) });
    const seen: unknown[] = [];
    await bus.subscribeAsync(
      'b',
      ({ payload, metadata: { correlationid: _first, causationid: _cause, ...own } }) => {
        seen.push([payload, own]);
      },
    );
    await bus.subscribe('a', async ({ payload }) => {
      await bus.publish('b', payload, { metadata: { step: 2 } });
    });
    await bus.subscribe('c', async () => {
      await bus.publish('b', 'other', { metadata: { tenant: 'initech' } });
    });
    await Promise.all([
      forTenant(bus, 'acme').publish('a', 1),
      forTenant(bus, 'globex').publish('a', 2),
      bus.publish('a', 3),
    ]);
    await forTenant(bus, 'acme').publish('c', 4);
    await expect.poll(() => seen.length).toBe(4);
    expect(seen).toEqual(
      expect.arrayContaining([
        [1, { step: 2, tenant: 'acme' }],
        [2, { step: 2, tenant: 'globex' }],
        [3, { step: 2 }],
        ['other', { tenant: 'initech' }],
      ]),
    );
  });
});

describe('routing by tenant', () => {
  const routed = () =>
    startedBus({
      engines: ['shared', 'acme', 'logs'].map((name) => ({
        name,
        engine: memoryEngine({ retry: { attempts: 1 }, deadLetter: true }),
      })),
      routing: [
        { topics: ['log.*'], engine: 'logs' },
        { topics: ['*'], tenants: ['acme'], engine: 'acme' },
      ],
    });

  test('sends the events of a tenant to its engine, and their dead letters too', async () => {
    const bus = await routed();
    const { router } = bus;
    expect(router.engineFor('order.placed', 'acme')).toBe('acme');
    expect(router.engineFor('order.placed', 'globex')).toBe('shared');
    expect(router.engineFor('order.placed')).toBe('shared');
    expect(router.engineFor('log.line', 'acme')).toBe('logs');
    expect(router.engineFor('_dead.order.placed', 'acme')).toBe('acme');
    expect(router.enginesFor('order.*', 'acme')).toEqual(['acme']);
    expect(router.enginesFor('order.*', 'globex')).toEqual(['shared']);
    expect(router.enginesFor('order.*')).toEqual(['shared', 'acme']);
    expect(router.enginesFor('*', 'acme')).toEqual(['logs', 'acme']);
    const told: unknown[] = [];
    bus.observe(({ type, data }) => {
      if (type.endsWith('message.published')) told.push([data['topic'], data['engine']]);
    });
    await forTenant(bus, 'acme').subscribe('order.placed', () => {
      throw new Error('no');
    });
    await forTenant(bus, 'acme').publish('order.placed', 1);
    await forTenant(bus, 'globex').publish('order.placed', 2);
    expect(told).toEqual([
      ['_dead.order.placed', 'acme'],
      ['order.placed', 'acme'],
      ['order.placed', 'shared'],
    ]);
    expect(bus.statsPerEngine()).toMatchObject({
      shared: { published: 1, enqueued: 0 },
      acme: { published: 2, enqueued: 1, deadLettered: 1 },
    });
  });

  test('subscribes without a tenant on every engine that can carry the topic, and counts that as one subscription', async () => {
    const bus = await routed();
    const seen: unknown[] = [];
    const subscription = await bus.subscribe('order.placed', ({ payload }) => void seen.push(payload));
    expect(subscription.engine).toBe('shared,acme');
    const controller = new AbortController();
    await bus.subscribe('order.*', () => {}, { signal: controller.signal });
    const own = await forTenant(bus, 'acme').subscribe('order.placed', () => {});
    expect(own.engine).toBe('acme');
    expect(bus.subscriberCount('order.placed')).toBe(3);
    expect(bus.subscriberCount('order.*')).toBe(1);
    await forTenant(bus, 'acme').publish('order.placed', 1);
    await bus.publish('order.placed', 2);
    expect(seen).toEqual([1, 2]);
    await subscription.cancel();
    expect(bus.subscriberCount('order.placed')).toBe(2);
    controller.abort();
    await expect.poll(() => bus.subscriberCount('order.placed')).toBe(1);
    await bus.subscribe('order.placed', () => {});
    await bus.stop();
    expect(bus.subscriberCount('order.placed')).toBe(0);
  });

  test.each([
    { rules: [], at: 'acme' },
    { rules: [{ topics: ['_dead.*'], engine: 'shared' }], at: 'shared' },
  ])('keeps undecodable records on the engine of their tenant: $rules', async ({ rules, at }) => {
    const transport = new HandTransport();
    const bus = await startedBus({
      engines: [
        { name: 'shared', engine: memoryEngine() },
        { name: 'acme', engine: handEngine(transport) },
      ],
      routing: [...rules, { topics: ['*'], tenants: ['acme'], engine: 'acme' }],
    });
    const told: unknown[] = [];
    bus.observe(({ type, data }) => {
      if (type.endsWith('message.published')) told.push([data['topic'], data['engine']]);
    });
    await bus.subscribe('a', () => {}, { tenant: 'acme', deadLetter: true });
    const error = new UndecodableRecordError('no JSON');
    transport.receivers[0]!.undecodable({ topic: 'a', bytes: new Uint8Array([1]), error }, forgotten);
    await expect.poll(() => told).toEqual([['_dead.a', at]]);
    expect(bus.router.engine(at).stats().published).toBe(1);
  });

  test('refuses a rule without tenants, or with an invalid tenant', () => {
    const rule = (tenants: unknown) => () =>
      createEventBus({ routing: [{ topics: ['*'], engine: 'default', tenants: tenants as string[] }] });
    expect(rule([])).toThrow(/routing\[0\].tenants: expected at least one tenant/);
    expect(rule(['a b'])).toThrow(/routing\[0\].tenants\[0\]: expected a tenant: 1 to 64 letters/);
    expect(rule('acme')).toThrow(/expected a list of tenants/);
  });
});
