import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { createClient } from '@redis/client';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type DedupeStore, MemoryDedupeStore, RedisDedupeStore, SqlDedupeStore } from '../../src/index.ts';
import { openSqlite } from './sqlite.ts';

const minuteMs = 60_000;

/** What every store must do. */
function testStore(newStore: () => Promise<DedupeStore>): void {
  test('a claim is busy for other attempts, and for its own attempt still claimed', async () => {
    const store = await newStore();
    const key = randomUUID();
    expect(await store.claim(key, 'a', minuteMs)).toBe('claimed');
    expect(await store.claim(key, 'b', minuteMs)).toBe('busy');
    expect(await store.claim(key, 'a', minuteMs)).toBe('claimed');
    expect(await store.claim(randomUUID(), 'b', minuteMs)).toBe('claimed');
  });

  test('of many claims at once, one is claimed', async () => {
    const store = await newStore();
    const key = randomUUID();
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.claim(key, `owner-${i}`, minuteMs)),
    );
    expect(claims.toSorted()).toEqual([...Array.from({ length: 19 }, () => 'busy'), 'claimed']);
  });

  test('a handled event stays handled, and its attempt cannot release it', async () => {
    const store = await newStore();
    const key = randomUUID();
    await store.claim(key, 'a', minuteMs);
    await store.complete(key, 'a', minuteMs);
    await store.release(key, 'a');
    await store.extend(key, 'a', 1);
    expect(await store.claim(key, 'a', minuteMs)).toBe('handled');
    expect(await store.claim(key, 'b', minuteMs)).toBe('handled');
  });

  test('a released event can be claimed, and only its own attempt releases it', async () => {
    const store = await newStore();
    const key = randomUUID();
    await store.claim(key, 'a', minuteMs);
    await store.release(key, 'b');
    expect(await store.claim(key, 'b', minuteMs)).toBe('busy');
    await store.release(key, 'a');
    expect(await store.claim(key, 'b', minuteMs)).toBe('claimed');
  });

  test('an expired claim can be claimed, and the attempt that had it can still complete', async () => {
    const store = await newStore();
    const key = randomUUID();
    await store.claim(key, 'a', 1);
    await expect.poll(() => store.claim(key, 'b', minuteMs)).toBe('claimed');
    await store.extend(key, 'a', minuteMs);
    await store.release(key, 'a');
    expect(await store.claim(key, 'c', minuteMs)).toBe('busy');
    await store.complete(key, 'a', minuteMs);
    expect(await store.claim(key, 'c', minuteMs)).toBe('handled');
  });

  test('an id is forgotten after its time', async () => {
    const store = await newStore();
    const key = randomUUID();
    await store.claim(key, 'a', minuteMs);
    await store.complete(key, 'a', 1.5);
    await expect.poll(() => store.claim(key, 'b', minuteMs)).toBe('claimed');
  });

  test('an extended claim does not expire at its first time', async () => {
    const store = await newStore();
    const [extended, other] = [randomUUID(), randomUUID()];
    await store.claim(extended, 'a', 300);
    await store.extend(extended, 'a', minuteMs);
    await store.claim(other, 'a', 300);
    await expect.poll(() => store.claim(other, 'b', minuteMs)).toBe('claimed');
    expect(await store.claim(extended, 'b', minuteMs)).toBe('busy');
  });
}

describe('MemoryDedupeStore', () => {
  testStore(() => Promise.resolve(new MemoryDedupeStore()));

  test('removes expired ids', async () => {
    const store = new MemoryDedupeStore();
    for (let i = 0; i < 10_000; i++) {
      await store.claim(`${i}`, 'a', minuteMs);
      await store.complete(`${i}`, 'a', 0.001);
    }
    expect(store.size).toBeLessThan(2000);
  });
});

describeWithBroker('redis', 'RedisDedupeStore', ({ url }) => {
  const keyPrefix = `${randomUUID()}:`;

  describe('with ioredis', () => {
    testStore(() => {
      const client = new Redis(url);
      onTestFinished(() => client.disconnect());
      return Promise.resolve(new RedisDedupeStore(client, { keyPrefix }));
    });
  });

  describe('with node-redis', () => {
    testStore(async () => {
      const client = createClient({ url });
      onTestFinished(() => client.destroy());
      await client.connect();
      return new RedisDedupeStore(client, { keyPrefix });
    });
  });

  test('leaves only keys that expire, with the prefix', async () => {
    const client = new Redis(url);
    onTestFinished(() => client.disconnect());
    const store = new RedisDedupeStore(client, { keyPrefix: `${keyPrefix}own:` });
    await store.claim('claimed', 'a', minuteMs);
    await store.claim('handled', 'a', minuteMs);
    await store.complete('handled', 'a', minuteMs);
    const keys = await client.keys(`${keyPrefix}own:*`);
    expect(keys.toSorted()).toEqual([`${keyPrefix}own:claimed`, `${keyPrefix}own:handled`]);
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
  });

  test('an argument that is no client is refused', () => {
    expect(() => new RedisDedupeStore({} as Redis)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });
});

describe('SqlDedupeStore with SQLite', () => {
  testStore(async () => {
    const store = new SqlDedupeStore({ dialect: 'sqlite', query: await newFile() });
    await store.createTable();
    await store.createTable();
    return store;
  });

  test('deletes expired rows', async () => {
    const query = await newFile();
    const store = new SqlDedupeStore({ dialect: 'sqlite', query, table: 'handled_events' });
    await store.createTable();
    await store.complete('old', 'a', 1);
    await store.complete('new', 'a', minuteMs);
    await expect
      .poll(async () => {
        await store.deleteExpired();
        return query('SELECT event_key FROM handled_events', []);
      })
      .toEqual([{ event_key: 'new' }]);
  });

  test('deletes expired rows once a minute while it handles events', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const query = await newFile();
    const store = new SqlDedupeStore({ dialect: 'sqlite', query });
    await store.createTable();
    const rows = (): object[] => query('SELECT event_key FROM polybus_dedupe', []);
    await store.complete('old', 'a', 1);
    vi.advanceTimersByTime(minuteMs - 1);
    await store.complete('new', 'a', minuteMs);
    expect(rows()).toHaveLength(2);
    await expect
      .poll(async () => {
        vi.advanceTimersByTime(minuteMs);
        await store.complete('new', 'a', minuteMs);
        return rows();
      })
      .toEqual([{ event_key: 'new' }]);
  });

  async function newFile(): Promise<ReturnType<typeof openSqlite>> {
    const folder = await mkdtemp(join(tmpdir(), 'polybus-dedupe-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return openSqlite(join(folder, 'events.sqlite'));
  }
});

describe('SqlDedupeStore with PostgreSQL', () => {
  const database = new PGlite();

  testStore(async () => {
    const query = async (text: string, values: readonly (string | number)[]): Promise<object[]> =>
      (await database.query<object>(text, [...values])).rows;
    await query('CREATE SCHEMA IF NOT EXISTS shop', []);
    const store = new SqlDedupeStore({ dialect: 'postgresql', query, table: 'shop.handled' });
    await store.createTable();
    await store.createTable();
    return store;
  });
});

test.each([
  { options: { dialect: 'mysql' }, option: 'dialect' },
  { options: { query: undefined }, option: 'query' },
  { options: { table: 'events; DROP TABLE users' }, option: 'table' },
])('SqlDedupeStore refuses an invalid $option', ({ options, option }) => {
  const valid = { dialect: 'sqlite', query: () => [] };
  expect(() => new SqlDedupeStore({ ...valid, ...options } as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', option }),
  );
});
