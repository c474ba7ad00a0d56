import { randomUUID } from 'node:crypto';
import { createEventBus } from '@polybus/core';
import { expect, onTestFinished, test } from 'vitest';
import { Broker } from '../src/broker.ts';
import { __factory__, engines } from '../src/index.ts';

test('an event goes from one engine to another', async () => {
  const url = randomUUID();
  onTestFinished(() => new Broker(url).remove());
  const busOf = (name: string) => createEventBus({ engines: [{ name, engine: __factory__({ url }) }] });
  await using here = busOf('here');
  await using there = busOf('there');
  await Promise.all([here.start(), there.start()]);
  const seen: unknown[] = [];
  await there.subscribe('user.*', ({ topic, payload }) => void seen.push([topic, payload]));
  await here.publish('user.created', { id: 'u1' });
  await expect.poll(() => seen).toEqual([['user.created', { id: 'u1' }]]);
});

test('an invalid configuration is reported with its path', () => {
  const context = { name: 'events', path: 'engines[0].config' };
  expect(() => engines['__TYPE__']?.({ workerCuont: 2 }, context)).toThrow(
    /engines\[0\]\.config\.workerCuont.*did you mean "workerCount"/,
  );
});
