import { randomUUID } from 'node:crypto';
import type { Event } from '@polybus/core';
import { newName, spawnFixture, until } from '@polybus/testbed/engine';
import { sharedBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { type DedupeStore, RedisDedupeStore, dedupe } from '../../src/index.ts';
import { describeBrokers, describeEngines, startBus } from '../engines.ts';

/** A store of the test, on the broker that all of them share. */
function newStore(): { readonly store: DedupeStore; readonly keyPrefix: string } {
  const client = new Redis(sharedBroker('redis').url);
  onTestFinished(() => client.disconnect());
  const keyPrefix = `${randomUUID()}:`;
  return { store: new RedisDedupeStore(client, { keyPrefix }), keyPrefix };
}

describeEngines('events that are published several times', (newConfig) => {
  test('are handled once by the members of a group, although handlers fail', async () => {
    const config = newConfig();
    // Only brokers connect several buses.
    const buses = [await startBus(config)];
    if (config.engine !== 'durable-memory') buses.push(await startBus(config));
    const { store } = newStore();
    const topic = newName('order.placed');
    const handled: string[] = [];
    const handler = dedupe(
      async ({ id }: Event, { attempt }) => {
        await Promise.resolve();
        if (attempt === 1 && id.endsWith('0')) throw new Error('the first attempt fails');
        handled.push(id);
      },
      { store },
    );
    const retry = { attempts: 5, backoff: { initialMs: 1 } };
    for (const bus of buses)
      await bus.subscribeAsync(topic, handler, { group: 'mails', from: 'earliest', concurrency: 3, retry });
    const ids = Array.from({ length: 20 }, (_, i) => `o${i}`);
    const publish = (id: string, copy: number): Promise<void> =>
      // Copies in different partitions, so that several members handle them at once.
      buses[0]!.publish(topic, {}, { id, key: `k${copy}` });
    for (let copy = 0; copy < 3; copy++) await Promise.all(ids.map((id) => publish(id, copy)));
    const delivered = (): number => buses.reduce((sum, bus) => sum + bus.stats().delivered, 0);
    await until('all copies are settled', () => delivered() >= 3 * ids.length);
    expect(handled.toSorted()).toEqual(ids.toSorted());
    expect(buses.map((bus) => bus.stats().failed)).toEqual(buses.map(() => 0));
  });
});

describeBrokers('an event whose process was killed in the handler', (newConfig) => {
  test('is handled once, after its claim has expired, and its duplicates are not handled', async () => {
    const config = newConfig();
    const { store, keyPrefix } = newStore();
    const topic = newName('order.placed');
    const fixture = new URL('../fixtures/hanging-handler.ts', import.meta.url);
    const input = { config, topic, redisUrl: sharedBroker('redis').url, keyPrefix };
    const { child, said } = await spawnFixture(fixture, JSON.stringify(input));
    const bus = await startBus(config);
    await bus.publish(topic, 'original', { id: 'o1', key: 'k' });
    await until('the other process handles the event', () => said.includes('handling o1'));
    child.kill('SIGKILL');
    await bus.publish(topic, 'duplicate', { id: 'o1', key: 'k' });
    await bus.publish(topic, 'last', { id: 'o2', key: 'k' });
    const handled: string[] = [];
    await bus.subscribeAsync(
      topic,
      dedupe(({ id }: Event) => handled.push(id), { store, claimMs: 1000 }),
      { group: 'mails', from: 'earliest' },
    );
    await until('the last event is handled', () => handled.includes('o2'));
    await until('all events are settled', () => bus.stats().pending === 0);
    expect(handled).toEqual(['o1', 'o2']);
  });
});
