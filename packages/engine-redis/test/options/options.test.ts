import { InvalidConfigError, createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { engines, redisEngine } from '../../src/index.ts';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'the configuration and the connections', ({ url }) => {
  function problemsOf(config: object): string[] {
    try {
      redisEngine(config);
    } catch (error) {
      if (error instanceof InvalidConfigError) return error.problems.map(({ path }) => path);
      throw error;
    }
    return [];
  }

  describe('the configuration', () => {
    test.each([
      [{ mode: 'stream' }, 'redisEngine.mode'],
      [{ url: 'http://x' }, 'redisEngine.url'],
      [{ url: 'localhost:6379' }, 'redisEngine.url'],
      [{ poolSize: 0 }, 'redisEngine.poolSize'],
      [{ urll: 'redis://x' }, 'redisEngine.urll'],
      [{ client: {} }, 'redisEngine.client'],
      [{ blockMs: 0 }, 'redisEngine.blockMs'],
      [{ eventTTL: 'soon' }, 'redisEngine.eventTTL'],
    ])('%j is refused, naming the field', (config, path) => {
      expect(problemsOf(config)).toEqual([path]);
    });

    test('the error for an invalid URL does not show its password', () => {
      expect(() => redisEngine({ url: 'http://user:hunter2@host' })).toThrow(/\[hidden\]/);
    });

    test('a bus creates the engine by name, with the fields of a bus with one engine', async () => {
      const bus = createEventBus({ engine: 'redis', externalBrokerURL: url, workerCount: 2 });
      await bus.start();
      onTestFinished(() => bus.stop());
      const seen: unknown[] = [];
      const topic = `by-name-${newPrefix().slice(2, 10)}`;
      await bus.subscribe(topic, ({ payload }) => void seen.push(payload));
      await bus.publish(topic, 1);
      await until('the event', () => seen.length === 1);
      expect(Object.keys(engines)).toEqual(['redis', 'redis-streams']);
    });
  });

  describe('connections', () => {
    const named = async (admin: Redis): Promise<number> =>
      String(await admin.client('LIST'))
        .split('\n')
        .filter((line) => / name=lazy-/.test(line)).length;

    test.each(['pubsub', 'streams'] as const)('exist only between start and stop, mode %s', async (mode) => {
      const admin = adminOf(url);
      const engine: Engine = redisEngine({ url, mode, keyPrefix: newPrefix() });
      engine.attach!({
        name: 'lazy',
        logger: console,
        source: 'test',
        observer: { active: false, received: () => {}, failed: () => {}, missed: () => {} },
        publishDeadLetter: async () => {},
      });
      expect(await named(admin)).toBe(0);
      await engine.start();
      await engine.subscribe('a.*', () => {});
      expect(await named(admin)).toBe(mode === 'pubsub' ? 2 : 3);
      await engine.stop();
      await until('no connection to be left', async () => (await named(admin)) === 0);
    });

    test.each(['pubsub', 'streams'] as const)(
      'a given client is used for publishing and is not closed, mode %s',
      async (mode) => {
        const client = new Redis(url);
        onTestFinished(() => client.disconnect());
        const engine = await startEngine({ client, mode, keyPrefix: newPrefix(), poolSize: 1 });
        const seen: unknown[] = [];
        await engine.subscribe('given', ({ payload }) => void seen.push(payload));
        await engine.publish({ topic: 'given', payload: 1 });
        await until('the event', () => seen.length === 1);
        await engine.stop();
        expect(await client.ping()).toBe('PONG');
      },
    );

    test('createClient creates each connection; with poolSize several connections publish, in order per topic', async () => {
      let made = 0;
      const createClient = (): Redis => {
        made++;
        return new Redis(url, { lazyConnect: true });
      };
      const engine = await startEngine({ createClient, poolSize: 3, keyPrefix: newPrefix() });
      expect(made).toBe(4);
      const seen: unknown[] = [];
      await engine.subscribe('ordered', ({ payload }) => void seen.push(payload));
      const numbers = Array.from({ length: 100 }, (_, n) => n);
      await Promise.all(numbers.map((payload) => engine.publish({ topic: 'ordered', payload })));
      await until('the events', () => seen.length === 100);
      expect(seen).toEqual(numbers);
    });

    const hostile = {
      keyPrefix: 'theirs:',
      enableAutoPipelining: true,
      commandTimeout: 300,
      socketTimeout: 300,
      stringNumbers: true,
    };

    test.each(['clientOptions', 'createClient'])(
      'client options that the engine cannot work with are overridden, %s',
      async (how) => {
        const createClient = (): Redis => new Redis(url, hostile);
        const config = how === 'clientOptions' ? { url, clientOptions: hostile } : { createClient };
        const keyPrefix = newPrefix();
        const engine = await startEngine({ ...config, mode: 'streams', keyPrefix, blockMs: 600 });
        const seen: unknown[] = [];
        await engine.subscribe('hostile', ({ payload }) => void seen.push(payload));
        await engine.subscribe('host*', ({ payload }) => void seen.push(payload));
        await engine.subscribe('hostile', ({ payload }) => void seen.push(payload), { group: 'g' });
        await engine.publish({ topic: 'hostile', payload: 1, key: 'k' });
        await until('the events', () => seen.length === 3);
        expect(await adminOf(url).exists(`${keyPrefix}hostile`)).toBe(1);
      },
    );

    test('a given client with a keyPrefix is refused', () => {
      const client = new Redis(url, { keyPrefix: 'theirs:', lazyConnect: true });
      expect(problemsOf({ client })).toEqual(['redisEngine.client']);
    });

    test.each(['pubsub', 'streams'] as const)(
      'a given client with auto-pipelining keeps the order, mode %s',
      async (mode) => {
        const client = new Redis(url, { enableAutoPipelining: true });
        onTestFinished(() => client.disconnect());
        const engine = await startEngine({ client, mode, keyPrefix: newPrefix() });
        const seen: unknown[] = [];
        await engine.subscribe('piped', ({ payload }) => void seen.push(payload));
        await engine.publish({ topic: 'piped', payload: 0 });
        const first = engine.publish({ topic: 'piped', payload: 1 });
        // A lone one has left by then.
        for (let hop = 0; hop < 5; hop++) await Promise.resolve();
        await Promise.all([first, ...[2, 3].map((payload) => engine.publish({ topic: 'piped', payload }))]);
        await until('the events', () => seen.length === 4);
        expect(seen).toEqual([0, 1, 2, 3]);
      },
    );
  });
});
