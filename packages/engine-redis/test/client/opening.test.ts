import { createEventBus } from '@polybus/core';
import { startLater } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { redisEngine } from '../../src/index.ts';
import { ownRedis } from '../read/foreign.ts';
import { makeEngine, newPrefix, startEngine, until } from '../support.ts';

/** How long something took, in milliseconds, whatever came of it. */
async function timeOf(work: Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work.catch(() => {});
  return performance.now() - since;
}

describeWithBroker('redis', 'opening a connection', async () => {
  const broker = await ownRedis();
  const { url } = broker;

  /** The server takes connections, and says nothing on them. */
  async function paused(work: () => Promise<void>): Promise<void> {
    await broker.pause();
    try {
      await work();
    } finally {
      await broker.resume();
    }
  }

  describe.each(['pubsub', 'streams'] as const)('mode %s', (mode) => {
    test('start rejects at connectTimeout if the server is paused', () =>
      paused(async () => {
        const engine = makeEngine({ url, mode, clientOptions: { connectTimeout: 300 } });
        const failure = { code: 'CONNECTION_FAILED', message: expect.stringContaining('300 ms') };
        await expect(engine.start()).rejects.toMatchObject(failure);
        expect((await engine.health()).status).toBe('down');
      }));

    test('a client of createClient that has started to connect is closed too', () =>
      paused(async () => {
        const createClient = (): Redis => new Redis(url, { connectTimeout: 300 });
        const engine = makeEngine({ createClient, mode });
        await expect(engine.start()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
      }));

    test('stop ends a start on a paused server', () =>
      paused(async () => {
        const engine = makeEngine({ url, mode });
        const starting = engine.start().catch((error: { code?: string }) => error.code);
        expect(await timeOf(engine.stop({ timeoutMs: 100 }))).toBeLessThan(3000);
        expect(await starting).toBe('EVENT_BUS_NOT_STARTED');
      }));
  });

  test.each([undefined, 'g'])('stop ends a first subscribe on a paused server, group %s', async (group) => {
    const engine = await startEngine({ url, mode: 'streams', keyPrefix: newPrefix() });
    await paused(async () => {
      const subscribing = engine
        .subscribe('a', () => {}, { group })
        .catch((error: { code?: string }) => error.code);
      expect(await timeOf(engine.stop({ timeoutMs: 100 }))).toBeLessThan(4000);
      expect(await subscribing).toBe('EVENT_BUS_NOT_STARTED');
    });
  });

  test.each([undefined, 'g'])(
    'a first subscribe waits for a server that is down, group %s',
    async (group) => {
      const engine = await startEngine({
        url,
        mode: 'streams',
        keyPrefix: newPrefix(),
        commandTimeoutMs: 30_000,
      });
      await broker.kill();
      const subscribing = engine.subscribe('a', () => {}, { group });
      let isSettled = false;
      subscribing.finally(() => (isSettled = true)).catch(() => {});
      const probe = new Redis(url, { retryStrategy: () => null, lazyConnect: true });
      probe.on('error', () => {});
      await expect(probe.connect()).rejects.toThrow(/closed/);
      expect(isSettled).toBe(false);
      await broker.restart();
      await subscribing;
    },
  );

  test('a failed connection does not degrade the engine after the server is back', async () => {
    const config = { url, mode: 'streams', keyPrefix: newPrefix(), commandTimeoutMs: 200 } as const;
    const engine = await startEngine(config);
    await broker.kill();
    onTestFinished(() => broker.restart().catch(() => {}));
    for (const group of [undefined, 'g']) {
      const subscribing = engine.subscribe('a', () => {}, { group });
      await expect(subscribing).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    }
    await broker.restart();
    await until('health to be up', async () => (await engine.health()).status === 'up');
    expect((await engine.health()).details).toMatchObject({ connections: [{}, {}] });
  });

  test.each(['pubsub', 'streams'] as const)(
    'start of a bus names an absent server, and a later start of the same bus works, mode %s',
    async (mode) => {
      const engine = redisEngine({ url, mode, keyPrefix: newPrefix() });
      const bus = createEventBus({ engines: [{ name: 'late', engine }] });
      expect(await startLater(bus, broker)).toMatchObject({
        code: 'CONNECTION_FAILED',
        engine: 'late',
        message: expect.stringContaining('Check that the server runs'),
      });
    },
  );
});
