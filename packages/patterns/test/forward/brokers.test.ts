import { createEventBus } from '@polybus/core';
import type { Event } from '@polybus/core';
import { newName, spawnFixture, until } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { forward } from '../../src/index.ts';
import { type Config, newConfig, quiet, startBus } from '../engines.ts';

/** Three processes start, and two are found dead by the broker. */
const timeoutMs = 150_000;
const keys = 4;
/** So many that each process is killed while it forwards. */
const total = 1000;
const ids = Array.from({ length: total }, (_, i) => `o${i}`);
const fixture = new URL('../fixtures/forwarder.ts', import.meta.url);

/** Kills the process that forwards, twice, and checks that the other broker gets every event, as it was and in order. */
async function killForwarders(source: Config, target: Config): Promise<void> {
  const topic = newName('order.placed');
  const input = JSON.stringify({ source, target, topic });
  const [published, received] = [await startBus(source), await startBus(target)];
  const events: Event[] = [];
  await received.subscribe(topic, (event) => events.push(event));
  const distinct = (): string[] => [...new Set(events.map(({ id }) => id))];

  const createdAt = new Date(1e12);
  await Promise.all(
    ids.map((id, i) =>
      published.publish(topic, i, { id, key: `k${i % keys}`, metadata: { of: 'shop' }, createdAt }),
    ),
  );
  for (const seen of [50, 400]) {
    const { child } = await spawnFixture(fixture, input);
    await until('events are forwarded', () => distinct().length > seen);
    child.kill('SIGKILL');
  }
  await spawnFixture(fixture, input);
  await until('all events are forwarded', () => distinct().length === total);

  expect(distinct().toSorted()).toEqual(ids.toSorted());
  for (const { id, key, payload, metadata, createdAt: at } of events) {
    expect({ id, key, metadata, at }).toEqual({
      id: `o${Number(payload)}`,
      key: `k${Number(payload) % keys}`,
      metadata: { of: 'shop', forwardedfrom: ['source'] },
      at: createdAt,
    });
  }
  for (let k = 0; k < keys; k++) {
    const inOrder = ids.filter((_, i) => i % keys === k);
    expect(distinct().filter((id) => inOrder.includes(id))).toEqual(inOrder);
  }
  const lag = async (): Promise<number> =>
    (await published.lag())
      .filter(({ group }) => group === 'forward.target')
      .reduce((sum, { events: behind = 0 }) => sum + behind, 0);
  await until('the group has acknowledged all', async () => (await lag()) === 0);
}

describeWithBroker('redis', 'a process that forwards is killed', (redis) => {
  describeWithBroker('kafka', 'between Redis and Kafka', (kafka) => {
    test(
      'from Redis to Kafka, nothing is lost',
      async () => {
        await killForwarders(newConfig.redis(redis), newConfig.kafka(kafka));
      },
      timeoutMs,
    );

    test(
      'from Kafka to Redis, nothing is lost',
      async () => {
        await killForwarders(newConfig.kafka(kafka), newConfig.redis(redis));
      },
      timeoutMs,
    );
  });
});

describeWithBroker('redis', 'a forwarding with Redis', (redis) => {
  describeWithBroker('kinesis', 'and Kinesis', (kinesis) => {
    test(
      'from Kinesis to Redis, nothing is lost when a process that forwards is killed',
      async () => {
        await killForwarders(newConfig.kinesis(kinesis), newConfig.redis(redis));
      },
      timeoutMs,
    );

    test('from Kinesis to Redis and back, each event arrives once, and the lag is known', async () => {
      const engineOf = (name: string, { engine, config }: Config) =>
        ({ name, type: engine, config }) as never;
      const bus = createEventBus({
        engines: [engineOf('stream', newConfig.kinesis(kinesis)), engineOf('redis', newConfig.redis(redis))],
        logger: quiet,
      });
      onTestFinished(() => bus.stop({ timeoutMs: 2000 }).catch(() => {}));
      await bus.start();
      const topic = newName('order.placed');
      const events: string[] = [];
      await bus.router.engine('redis').subscribe(topic, ({ id }) => events.push(id));
      const there = await forward(bus, topic, { from: 'stream', to: 'redis' });
      const back = await forward(bus, topic, { from: 'redis', to: 'stream' });
      for (const id of ids.slice(0, 10)) await bus.publish(topic, {}, { id, key: 'k' });
      await until('all have come and were skipped', () => back.stats().skipped === 10);
      expect(events).toEqual(ids.slice(0, 10));
      expect(there.stats()).toEqual({ forwarded: 10, skipped: 0 });
      expect(back.stats()).toEqual({ forwarded: 0, skipped: 10 });
      await until('the lag is 0', async () => (await back.lag()).every((one) => one.events === 0));
      expect(await back.lag()).toEqual([expect.objectContaining({ topic, group: 'forward.stream' })]);
    });
  });
});
