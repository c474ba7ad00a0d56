import { describe, expect, test } from 'vitest';
import { aggregate } from '../../src/read/aggregation.ts';
import { messageOf } from '../../src/errors.ts';
import { StoredLeaseTable } from '../../src/group/stored-lease-table.ts';
import { newLeaseTable } from '../../src/group/lease-table.ts';
import type { CheckpointStore, StoredDocument } from '../../src/index.ts';
import { FakeKinesis, overFake } from '../fake-kinesis.ts';
import { LogLines, leasesOf, startEngine, until } from '../support.ts';

/** A store in memory that tests can modify. */
class FrailStore implements CheckpointStore {
  readonly isShared = true;
  readonly documents = new Map<string, StoredDocument>();
  /** What comes before each call; it may never be over. */
  before: () => Promise<void> = () => Promise.resolve();

  async read(name: string): Promise<StoredDocument | undefined> {
    await this.before();
    return this.documents.get(name);
  }

  async replace(name: string, document: StoredDocument): Promise<boolean> {
    await this.before();
    if ((this.documents.get(name)?.version ?? 0) !== document.version - 1) return false;
    this.documents.set(name, document);
    return true;
  }

  get text(): string {
    return this.documents.get('fake/g')?.text ?? '';
  }
}

const group = { group: 'g' } as const;

describe('an unreliable store', () => {
  test('that loses all documents gets them again, with a warning, and the group continues', async () => {
    const [fake, checkpointStore, log] = [new FakeKinesis(2), new FrailStore(), new LogLines()];
    const engine = await startEngine({ ...overFake(fake), checkpointStore }, log);
    const seen: unknown[] = [];
    await engine.subscribe('t', ({ payload }) => void seen.push(payload), group);
    await engine.publish({ topic: 't', payload: 1 });
    await until('the first event', () => seen.length === 1);
    checkpointStore.documents.clear();
    await until('the document', () => checkpointStore.text.includes('shard-1'));
    await engine.publish({ topic: 't', payload: 2 });
    await until('the second event', () => seen.length === 2);
    expect(seen).toEqual([1, 2]);
    expect(log.lines.some((line) => line.includes('has lost checkpoints'))).toBe(true);
    expect(await leasesOf(engine, 'g')).toHaveLength(2);
  });

  test('that is overwritten with an older document gets the current checkpoints again', async () => {
    const [fake, checkpointStore] = [new FakeKinesis(), new FrailStore()];
    const engine = await startEngine({ ...overFake(fake), checkpointStore });
    const seen: unknown[] = [];
    await engine.subscribe('t', ({ payload }) => void seen.push(payload), group);
    const { version } = checkpointStore.documents.get('fake/g')!;
    const text = JSON.stringify(newLeaseTable(fake.createdAt.toISOString()));
    checkpointStore.documents.set('fake/g', { version: version + 100, text });
    await until('the place', () => checkpointStore.text.includes('shard-0'));
    await engine.publish({ topic: 't', payload: 1 });
    await until('the event', () => seen.length === 1);
  });

  test('that does not answer one call delays the group only briefly; health() is down while it answers none', async () => {
    const [fake, checkpointStore] = [new FakeKinesis(), new FrailStore()];
    const engine = await startEngine({ ...overFake(fake), checkpointStore, leaseDurationMs: 400 });
    const seen: unknown[] = [];
    await engine.subscribe('t', ({ payload }) => void seen.push(payload), group);
    checkpointStore.before = () => new Promise(() => {});
    await until('health to be down', async () => (await engine.health()).status === 'down');
    expect((await engine.health()).error).toMatch(/the group "g" has not renewed its leases for \d+ ms/);
    checkpointStore.before = () => Promise.resolve();
    await engine.publish({ topic: 't', payload: 1 });
    await until('the event', () => seen.length === 1);
    await until('health to be up', async () => (await engine.health()).status === 'up');
  });

  test('a member follows another that has found a newer stream first', async () => {
    const [fake, checkpointStore] = [new FakeKinesis(), new FrailStore()];
    const config = { ...overFake(fake), checkpointStore, leaseDurationMs: 400 };
    const [first, other] = [await startEngine(config), await startEngine(config)];
    const seen: unknown[] = [];
    await first.subscribe('t', ({ payload }) => void seen.push(payload), group);
    // Nothing fails that the first member asks the server for.
    fake.createdAt = new Date(2e12);
    await other.stop();
    await other.start();
    await other.subscribe('other', () => {}, group);
    await until('both members to be in the document of the new stream', () => {
      const { stream, members } = JSON.parse(checkpointStore.text) as { stream: string; members: object };
      return stream === fake.createdAt.toISOString() && Object.keys(members).length === 2;
    });
    await other.publish({ topic: 't', payload: 1 });
    await until('the event', () => seen.length === 1);
    expect(await leasesOf(first, 'g')).toEqual(['shard-0']);
    expect((await first.health()).status).toBe('up');
  });

  test('members that have not found the newer stream keep nobody from it, however often they write', async () => {
    const [fake, checkpointStore] = [new FakeKinesis(), new FrailStore()];
    const config = { ...overFake(fake), checkpointStore };
    const before = await startEngine(config);
    await before.subscribe('t', () => {}, group);
    await before.stop();
    fake.createdAt = new Date(2e12);
    const { version, text } = checkpointStore.documents.get('fake/g')!;
    let writes = version;
    // The server takes longer for its answer than the members of the old stream for their next write.
    fake.rule = (operation) => {
      if (operation === 'ListShards') checkpointStore.documents.set('fake/g', { version: ++writes, text });
    };
    const after = await startEngine(config);
    await after.subscribe('t', () => {}, group);
    expect(checkpointStore.text).toContain(fake.createdAt.toISOString());
  });

  test('loses no change if the document is read during a change', async () => {
    let stored: StoredDocument = { version: 7, text: JSON.stringify(newLeaseTable('s')) };
    const answers: (() => void)[] = [];
    const store: CheckpointStore = {
      isShared: true,
      read: () => {
        const value = stored;
        return new Promise((resolve) => answers.push(() => resolve(value)));
      },
      replace: async (_, document) => {
        if (stored.version !== document.version - 1) return false;
        stored = document;
        return true;
      },
    };
    const ignore = (): void => {};
    const options = {
      group: 'n',
      document: 'n',
      stream: 's',
      timeoutMs: 10_000,
      onForgotten: ignore,
      onReplaced: ignore,
      onStartedOver: ignore,
      firstLeases: async () => ({}),
    };
    const documents = new StoredLeaseTable(store, options);
    const change = documents.change(
      (document) => void (document.members['me'] = { heartbeat: 1, patterns: [] }),
    );
    const other = newLeaseTable('s');
    other.members['other'] = { heartbeat: 1, patterns: [] };
    stored = { version: 8, text: JSON.stringify(other) };
    const look = documents.read();
    let isOver = false;
    const both = Promise.all([change, look]).then(() => (isOver = true));
    await until('both', () => {
      for (const answer of answers.splice(0)) answer();
      return isOver;
    });
    await both;
    expect(Object.keys((JSON.parse(stored.text) as { members: object }).members).sort()).toEqual([
      'me',
      'other',
    ]);
  });
});

test('adding a narrower pattern beside a wider pattern loses no event of the wider pattern', async () => {
  const [fake, checkpointStore] = [new FakeKinesis(), new FrailStore()];
  const config = { ...overFake(fake), checkpointStore };
  const [wide, narrow] = [await startEngine({ ...config, pollInterval: '1h' }), await startEngine(config)];
  let go!: () => void;
  const gate = new Promise<void>((resolve) => (go = resolve));
  let isHeld = false;
  fake.rule = (operation) => {
    if (operation !== 'ListShards' || isHeld) return undefined;
    isHeld = true;
    return gate;
  };
  const seen = new Set<unknown>();
  const handler = ({ payload }: { payload: unknown }): void => void seen.add(payload);
  const joining = narrow.subscribe('order.paid', handler, group);
  await until('the narrower one to ask for shards', () => isHeld);
  await wide.subscribe('order.*', handler, group);
  // Published by another engine, which does not notify the engine with the wider pattern. So that engine has not read the events when
  // the narrower pattern is added.
  const publisher = await startEngine(overFake(fake));
  for (let n = 0; n < 5; n++) await publisher.publish({ topic: 'order.paid', payload: n, key: 'k' });
  go();
  await joining;
  await until('all events', () => seen.size === 5);
});

test('a pattern with hanging handlers holds up no other pattern of its group', async () => {
  const fake = new FakeKinesis();
  const engine = await startEngine({ ...overFake(fake), checkpointStore: new FrailStore() });
  await engine.subscribe('a', () => new Promise<void>(() => {}), group);
  let seen = 0;
  await engine.subscribe('b', () => void seen++, group);
  await Promise.all(
    Array.from({ length: 600 }, (_, n) => engine.publish({ topic: 'a', payload: n, key: `a${n}` })),
  );
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => engine.publish({ topic: 'b', payload: n, key: `b${n}` })),
  );
  for (let n = 0; n < 5; n++) await engine.publish({ topic: 'b', payload: n });
  await until('the events of the other', () => seen === 25);
});

test.each([
  ['of a record', false],
  ['of an event in the same record', true],
])(
  'events that are settled ahead %s that waits are not delivered again, however often the shard moves',
  async (_, isOne) => {
    const [fake, checkpointStore] = [new FakeKinesis(), new FrailStore()];
    const publisher = await startEngine(overFake(fake));
    const seen: number[] = [];
    for (let life = 0; life < 3; life++) {
      const engine = await startEngine({ ...overFake(fake), checkpointStore });
      let attempts = 0;
      await engine.subscribeAsync<number>(
        't',
        ({ payload }) => {
          if (payload !== 0) return void seen.push(payload);
          attempts++;
          throw new Error('not yet');
        },
        { ...group, concurrency: 4, retry: { attempts: 100, backoff: { initialMs: 60_000, maxMs: 60_000 } } },
      );
      if (life === 0 && isOne) {
        const events = [1, 0, 2, 3].map((n) => ({
          specversion: '1.0',
          id: `${n}`,
          source: 's',
          type: 't',
          data: n,
        }));
        const all = events.map((event) => Buffer.from(JSON.stringify({ ...event, partitionkey: event.id })));
        fake.put('key', aggregate('key', all));
      } else if (life === 0) {
        for (let n = 0; n < 4; n++) await publisher.publish({ topic: 't', payload: n, key: `${n}` });
      }
      await until(
        'the one that fails to be tried, and the others to be settled',
        () => attempts === 1 && seen.length >= 3,
      );
      await engine.stop();
    }
    expect(seen.sort((a, b) => a - b)).toEqual([1, 2, 3]);
  },
);

test('a member that was considered dead is a member again as soon as it is back', async () => {
  const fake = new FakeKinesis(2);
  const shared = new FrailStore();
  let isCut = false;
  const reach = (): void => {
    if (isCut) throw new Error('the store is out');
  };
  const cut: CheckpointStore = {
    isShared: true,
    read: async (name) => (reach(), shared.read(name)),
    replace: async (name, document) => (reach(), shared.replace(name, document)),
  };
  const config = { ...overFake(fake), leaseDurationMs: 300 };
  const [stays, returns] = [
    await startEngine({ ...config, checkpointStore: shared }),
    await startEngine({ ...config, checkpointStore: cut }),
  ];
  for (const engine of [returns, stays]) await engine.subscribe('t', () => {}, group);
  for (let round = 0; round < 3; round++) {
    await until(
      'both to have a shard',
      async () => (await leasesOf(returns, 'g')).length === 1 && (await leasesOf(stays, 'g')).length === 1,
    );
    isCut = true;
    await until('the one that stays to have both', async () => (await leasesOf(stays, 'g')).length === 2);
    isCut = false;
  }
  await until('both to have a shard', async () => (await leasesOf(returns, 'g')).length === 1);
});

test('stopping during a subscribe with a group leaves no member behind', async () => {
  const [fake, checkpointStore] = [new FakeKinesis(2), new FrailStore()];
  const first = await startEngine({ ...overFake(fake), checkpointStore });
  await first.subscribe('t', () => {}, group);
  await first.stop();
  const engine = await startEngine({ ...overFake(fake), checkpointStore });
  let calls = 0;
  checkpointStore.before = () => {
    calls++;
    return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  };
  const joining = engine.subscribe('t', () => {}, group).catch((error: { code?: string }) => error.code);
  await until('the first call to the store', () => calls > 0);
  await engine.stop();
  expect(await joining).toBe('EVENT_BUS_NOT_STARTED');
  const document = JSON.parse(checkpointStore.text) as {
    members: object;
    leases: { t: Record<string, { owner?: string }> };
  };
  expect(document.members).toEqual({});
  expect(Object.values(document.leases.t).filter(({ owner }) => owner !== undefined)).toEqual([]);
});

test('the error for a wrong signature does not contain the signed request', () => {
  const error = new Error(
    "The signature does not match. Consult the documentation.\n\nThe Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:hunter2'",
  );
  expect(messageOf(error)).toBe('The signature does not match. Consult the documentation');
});

test('a very large undecodable record does not block its shard: its dead letter contains a part of it', async () => {
  const fake = new FakeKinesis();
  const engine = await startEngine({ ...overFake(fake), checkpointStore: new FrailStore() });
  const seen: unknown[] = [];
  await engine.subscribe('*', ({ topic }) => void seen.push(topic), group);
  await engine.subscribe('_dead.*', ({ topic }) => void seen.push(topic));
  fake.put('k', Buffer.alloc(900_000, 0xff));
  fake.split('shard-0', 'left', 'right');
  await engine.publish({ topic: 'a', payload: 1 });
  // What comes after the shard is read when all of it is settled.
  await until('the dead letter and the event', () => seen.length === 2);
  expect(new Set(seen)).toEqual(new Set(['_dead.fake', 'a']));
});
