import { type Event, createEventBus } from '@polybus/core';
import { type } from 'arktype';
import * as v from 'valibot';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { quietLogger } from '../quiet-logger.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const schemas = {
  'zod.user': z.object({ id: z.string(), born: z.string().transform((text) => new Date(text)) }),
  'valibot.user': v.object({ id: v.string(), tags: v.array(v.string()) }),
  'arktype.user': type({ id: 'string', age: 'number >= 0' }),
  'async.user': z.object({ id: z.string().refine(async (id) => id.startsWith('u'), 'begins with u') }),
};

async function startedBus() {
  const logger = quietLogger();
  const bus = createEventBus({ schemas, logger });
  stops.push(() => bus.stop());
  await bus.start();
  return { bus, logger };
}

describe('a schema per topic', () => {
  test('refuses a published payload that does not match, names the field, and enqueues nothing', async () => {
    const { bus } = await startedBus();
    await bus.subscribe('*', () => {});
    const bad = (topic: string, payload: unknown) =>
      (bus.publish as (...args: unknown[]) => Promise<void>)(topic, payload);
    await expect(bad('zod.user', { id: 7, born: '2000-01-01' })).rejects.toMatchObject({
      code: 'SCHEMA_VALIDATION',
      topic: 'zod.user',
      issues: [{ path: 'payload.id' }],
    });
    await expect(bad('valibot.user', { id: 'u', tags: ['a', 7] })).rejects.toMatchObject({
      issues: [{ path: 'payload.tags[1]' }],
    });
    await expect(bad('arktype.user', { id: 'u', age: -1 })).rejects.toMatchObject({
      issues: [{ path: 'payload.age' }],
    });
    await expect(bad('async.user', { id: 'x' })).rejects.toThrow('payload.id: begins with u');
    expect(bus.stats()).toMatchObject({ published: 0, enqueued: 0 });
  });

  test('passes its output to handlers and its input to the broker', async () => {
    const { bus } = await startedBus();
    const born: unknown[] = [];
    await bus.subscribe('zod.user', (event) => {
      expect(event.processingStarted).toBeInstanceOf(Date);
      born.push(event.payload.born);
    });
    await bus.publish('zod.user', { id: 'u1', born: '2000-01-01' });
    expect(born).toEqual([new Date('2000-01-01')]);
  });

  test('makes a dead letter after one attempt of an event that does not match and did not come from the bus', async () => {
    const { bus } = await startedBus();
    const dead: Event[] = [];
    let attempts = 0;
    await bus.subscribe('_dead.valibot.user', (event) => void dead.push(event));
    await bus.subscribe('valibot.user', () => void attempts++, { retry: { attempts: 5 }, deadLetter: true });
    await bus.router
      .engine(bus.router.engineNames()[0]!)
      .publish({ topic: 'valibot.user', payload: { id: 'u' } });
    await expect.poll(() => dead.length).toBe(1);
    expect(attempts).toBe(0);
    expect(dead[0]!.metadata['polybus.deadLetter']).toMatchObject({
      attempts: 1,
      error: { name: 'SchemaValidationError' },
    });
  });
});
