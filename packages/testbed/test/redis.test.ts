import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startRedis, waitFor, type RedisBroker } from '../src/index.ts';
import { describeWithBroker } from '../src/vitest/vitest.ts';
import { markThisProcess } from './support/leftovers.ts';
import { startLoad } from './support/load.ts';

/** A client that fails its commands while the server is away, rather than keep them. */
function connect(url: string): Redis {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50,
    commandTimeout: 2_000,
    lazyConnect: true,
  });
  client.on('error', () => undefined);
  onTestFinished(() => {
    client.disconnect();
  });
  return client;
}

describeWithBroker('redis', 'a Redis server of the run', (redis) => {
  test('stores entries of a stream and returns them', async () => {
    const client = connect(redis.url);
    await client.connect();
    await client.xadd('testbed:hello', '*', 'value', 'one');
    await client.xadd('testbed:hello', '*', 'value', 'two');
    const entries = await client.xrange('testbed:hello', '-', '+');
    expect(entries.map(([, fields]) => fields)).toEqual([
      ['value', 'one'],
      ['value', 'two'],
    ]);
    await client.del('testbed:hello');
  });

  test('carries messages from publishers to subscribers', async () => {
    const [publisher, subscriber] = [connect(redis.url), connect(redis.url)];
    await Promise.all([publisher.connect(), subscriber.connect()]);
    const received: string[] = [];
    subscriber.on('message', (_channel: string, message: string) => received.push(message));
    await subscriber.subscribe('testbed:news');
    await publisher.publish('testbed:news', 'hello');
    await waitFor('the message', () => received.length > 0, { timeoutMs: 5_000 });
    expect(received).toEqual(['hello']);
  });

  test('reports its name, version and provider', () => {
    expect(redis.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(redis.startupMs).toBeGreaterThanOrEqual(0);
  });

  describe('a separate server', () => {
    const traces = markThisProcess();
    let broker: RedisBroker;
    beforeAll(async () => {
      broker = await startRedis({
        controllable: true,
        password: 'open sesame',
        args: ['--maxmemory', '64mb'],
      });
    });
    afterAll(async () => {
      await broker.stop();
      traces.clear();
    });

    test('has the requested settings', async () => {
      const client = connect(broker.url);
      await client.connect();
      expect(await client.config('GET', 'maxmemory')).toContain(String(64 * 1024 * 1024));
      const url = new URL(broker.url);
      url.password = 'wrong';
      await expect(connect(url.href).connect()).rejects.toThrow('Connection is closed');
    });

    test('has every confirmed entry after a restart under load', async () => {
      const client = connect(broker.url);
      await client.connect();
      const load = startLoad((value) => client.xadd('load', '*', 'value', value));
      await waitFor('some load', () => load.confirmed.length > 100, { timeoutMs: 10_000 });
      await broker.restart();
      const before = load.confirmed.length;
      await waitFor('load after the restart', () => load.confirmed.length > before + 100, {
        timeoutMs: 10_000,
      });
      await load.stop();
      const values = (await client.xrange('load', '-', '+')).map(([, fields]) => fields[1]);
      expect(values).toEqual(expect.arrayContaining([...load.confirmed]));
      expect(load.failures).toBeGreaterThan(0);
    });

    test('does not answer while it is paused, and answers after it is resumed', async () => {
      const client = connect(broker.url);
      await client.connect();
      await broker.pause();
      const answer = client.ping();
      await expect(answer).rejects.toThrow('Command timed out');
      await broker.resume();
      await waitFor('an answer', () => client.ping(), { timeoutMs: 5_000 });
    });

    test('has the same address and data after a kill and a restart', async () => {
      const client = connect(broker.url);
      await client.connect();
      await client.set('kept', 'yes');
      await broker.kill();
      await expect(connect(broker.url).connect()).rejects.toThrow('Connection is closed');
      await expect(broker.pause()).rejects.toThrow('it is down');
      await broker.restart();
      expect(await waitFor('an answer', () => client.get('kept'), { timeoutMs: 5_000 })).toBe('yes');
    });

    test('cannot be paused or resumed after it has ended by itself, but can be restarted', async () => {
      const client = connect(broker.url);
      await client.connect();
      // It answers by closing the connection.
      await client.shutdown('NOSAVE').catch(() => undefined);
      const refusal = /it ended by itself \(.*exit code 0\)/;
      await expect(broker.pause()).rejects.toThrow(refusal);
      await expect(broker.resume()).rejects.toThrow(refusal);
      await broker.restart();
      await expect(waitFor('an answer', () => client.ping(), { timeoutMs: 5_000 })).resolves.toBe('PONG');
    });

    test('leaves nothing behind after a stop, even while it is paused', async () => {
      await broker.pause();
      await broker.stop();
      await broker.stop();
      await expect(broker.restart()).rejects.toThrow('it is stopped');
      expect(await traces.gone([Number(new URL(broker.url).port)])).toEqual([]);
    });
  });

  test('several servers run at the same time', async () => {
    const [first, second] = await Promise.all([
      startRedis({ controllable: true }),
      startRedis({ controllable: true }),
    ]);
    onTestFinished(async () => {
      await Promise.all([first.stop(), second.stop()]);
    });
    expect(first.url).not.toBe(second.url);
    const [one, two] = [connect(first.url), connect(second.url)];
    await Promise.all([one.connect(), two.connect()]);
    await one.set('who', 'first');
    expect(await two.get('who')).toBeNull();
  });

  test('a server that refuses its settings fails with its own error message', async () => {
    const start = startRedis({ controllable: true, args: ['--no-such-setting', 'yes'] });
    await expect(start).rejects.toThrow(/redis did not start: .*[\s\S]*no-such-setting/);
  });
});
