import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { afterAll, describe, expect, test } from 'vitest';
import { DynamoDBCheckpointStore } from '../../src/stores/dynamodb-store.ts';
import { FileCheckpointStore } from '../../src/stores/file-store.ts';
import { type CheckpointStore, MemoryCheckpointStore } from '../../src/index.ts';
import { RedisCheckpointStore } from '../../src/stores/redis-store.ts';
import { localDynamoDB } from '../local-dynamodb.ts';

/** What every store has to do. `open` gives another instance on the same documents, as another process would have. */
function storeCases(isShared: boolean, open: () => CheckpointStore): void {
  test('reports whether it is shared', () => {
    expect(open().isShared).toBe(isShared);
  });

  test('has no document at first, and later exactly the written document', async () => {
    const [store, name] = [open(), `group ${randomUUID()} / ünï:*`];
    expect(await store.read(name)).toBeUndefined();
    for (const [i, text] of ['{}', '{"a":"€ \\u0000 \\" \u{1F511}"}', 'x'.repeat(100_000)].entries()) {
      expect(await store.replace(name, { version: i + 1, text })).toBe(true);
      expect(await open().read(name)).toEqual({ version: i + 1, text });
    }
  });

  test('replaces a document only if its version is the one that was read, and otherwise changes nothing', async () => {
    const [store, name] = [open(), randomUUID()];
    expect(await store.replace(name, { version: 2, text: 'too early' })).toBe(false);
    expect(await store.replace(name, { version: 1, text: 'one' })).toBe(true);
    for (const version of [1, 3]) {
      expect(await open().replace(name, { version, text: 'wrong' })).toBe(false);
    }
    expect(await store.read(name)).toEqual({ version: 1, text: 'one' });
    expect(await store.read(randomUUID())).toBeUndefined();
  });

  test('lets exactly one of many concurrent writers succeed', async () => {
    const name = randomUUID();
    const stores = Array.from({ length: 8 }, open);
    const increment = async (store: CheckpointStore): Promise<void> => {
      for (;;) {
        const stored = await store.read(name);
        const [version, count] = [stored?.version ?? 0, Number(stored?.text ?? 0)];
        if (await store.replace(name, { version: version + 1, text: String(count + 1) })) return;
      }
    };
    await Promise.all(
      stores.map(async (store) => {
        for (let n = 0; n < 5; n++) await increment(store);
      }),
    );
    expect(await open().read(name)).toEqual({ version: 40, text: '40' });
  });
}

describe('the store in memory', () => {
  const store = new MemoryCheckpointStore();
  storeCases(false, () => store);
});

describe('the store in files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polybus-store-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  storeCases(true, () => new FileCheckpointStore(join(folder, 'made', 'here')));

  test('keeps one file per document', async () => {
    const own = join(folder, 'own');
    const store = new FileCheckpointStore(own);
    for (let version = 1; version <= 5; version++) await store.replace('a', { version, text: 'a' });
    await store.replace('b', { version: 1, text: 'b' });
    expect(await readdir(own)).toHaveLength(2);
  });

  test('ignores other files in its folder, such as copies of its documents', async () => {
    const own = join(folder, 'foreign');
    const store = new FileCheckpointStore(own);
    await store.replace('a', { version: 1, text: 'one' });
    const [file] = await readdir(own);
    for (const name of [
      `${file}.bak`,
      file!.replace('.1.', '.x.'),
      file!.replace('.1.json', '.7.txt'),
      'notes',
    ])
      await writeFile(join(own, name), 'foreign');
    expect(await store.read('a')).toEqual({ version: 1, text: 'one' });
    expect(await store.replace('a', { version: 2, text: 'two' })).toBe(true);
    expect(await store.read('a')).toEqual({ version: 2, text: 'two' });
    expect(await readdir(own)).toHaveLength(5);
  });

  test('removes the draft that a killed process has left, with the next version', async () => {
    const own = join(folder, 'draft');
    const store = new FileCheckpointStore(own);
    await store.replace('a', { version: 1, text: 'one' });
    const [file] = await readdir(own);
    const draftOf = (version: number): string =>
      join(own, file!.replace('.1.json', `.${version}.${randomUUID()}.draft`));
    await writeFile(draftOf(2), 'left behind');
    await writeFile(draftOf(3), 'of a process that continues');
    await store.replace('a', { version: 2, text: 'two' });
    expect((await readdir(own)).map((one) => one.split('.')[1])).toEqual(['2', '3']);
  });

  test('leaves no file behind if a document cannot be written, and keeps the previous document', async () => {
    const own = join(folder, 'unwritable');
    const store = new FileCheckpointStore(own);
    await store.replace('a', { version: 1, text: 'a' });
    // A full disk also refuses a write to an existing file.
    const unwritable = { version: 2, text: 1 as unknown as string };
    const refused = { code: 'ERR_INVALID_ARG_TYPE' };
    for (let n = 0; n < 3; n++) await expect(store.replace('a', unwritable)).rejects.toMatchObject(refused);
    expect(await readdir(own)).toHaveLength(1);
    expect(await store.read('a')).toEqual({ version: 1, text: 'a' });
  });
});

describeWithBroker('redis', 'the store in Redis', ({ url }) => {
  const client = new Redis(url);
  afterAll(() => client.disconnect());
  const keyPrefix = `t-${randomUUID()}:`;
  storeCases(true, () => new RedisCheckpointStore(client, { keyPrefix }));
});

describeWithBroker('redis', 'the store in a full Redis', async () => {
  const broker = await startRedis({ controllable: true, args: ['--maxmemory-policy', 'noeviction'] });
  const client = new Redis(broker.url);
  afterAll(async () => {
    client.disconnect();
    await broker.stop();
  });

  test('updates existing documents, and creates no new documents', async () => {
    const store = new RedisCheckpointStore(client);
    expect(await store.replace('there', { version: 1, text: 'one' })).toBe(true);
    await client.config('SET', 'maxmemory', '1');
    await expect(client.set('other', 'value')).rejects.toThrow('OOM');
    expect(await store.replace('there', { version: 2, text: 'two' })).toBe(true);
    expect(await store.replace('there', { version: 2, text: 'wrong' })).toBe(false);
    expect(await store.read('there')).toEqual({ version: 2, text: 'two' });
    await expect(store.replace('new', { version: 1, text: 'one' })).rejects.toThrow('OOM');
  });
});

describe('the store in DynamoDB', async () => {
  const client = await localDynamoDB();
  const open = (): DynamoDBCheckpointStore => new DynamoDBCheckpointStore(client, { tableName: 'groups' });
  await open().createTable();
  storeCases(true, open);

  test('creates its table once', async () => {
    await open().createTable();
    const other = new DynamoDBCheckpointStore(client, { tableName: 'absent' });
    await expect(other.read('a')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});
