import { createEventBus } from '@polybus/core';
import { redisEngine } from '@polybus/engine-redis';
import { startRedis } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { PrometheusCollector } from '../src/index.ts';
import { scrape } from './scrape.ts';

const patience = { timeout: 60_000 };

describeWithBroker('redis', 'a real broker', () => {
  test('reports its lag; a broker that does not answer is down, does not delay scrapes, and recovers', async () => {
    const broker = await startRedis({ controllable: true });
    onTestFinished(() => broker.stop());
    const engine = redisEngine({ url: broker.url, mode: 'streams' });
    const bus = createEventBus({
      engines: [{ name: 'log', engine }],
      logger: { warn: () => {}, error: () => {} },
    });
    onTestFinished(() => bus.stop({ timeoutMs: 1000 }).catch(() => {}));
    await bus.start();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register, timeoutMs: 250 });
    const lag = async (): Promise<number | undefined> => {
      const series = { engine: 'log', topic: 'order.placed', group: 'billing', partition: '' };
      return (await scrape(register)).value('modular_eventbus_consumer_lag_events', series);
    };
    const status = async (): Promise<string | undefined> => {
      const { value } = await scrape(register);
      return ['up', 'degraded', 'down'].find(
        (one) => value('modular_eventbus_engine_status', { engine: 'log', status: one }) === 1,
      );
    };

    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    await bus.subscribeAsync('order.*', () => held, { group: 'billing', concurrency: 1 });
    for (let n = 0; n < 5; n++) await bus.publish('order.placed', n);
    await expect.poll(lag, patience).toBe(5);
    await expect.poll(status, patience).toBe('up');

    await broker.pause();
    // Each of these waits for the collector's time only: the server answers nothing.
    await expect.poll(status, patience).toBe('down');
    expect(await lag()).toBeUndefined();

    await broker.resume();
    await expect.poll(status, patience).toBe('up');
    await expect.poll(lag, patience).toBe(5);
    release();
    await expect.poll(lag, patience).toBe(0);
  }, 240_000);
});
