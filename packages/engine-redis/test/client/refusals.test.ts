import { inspect } from 'node:util';
import { freePort } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Cluster } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ownRedis } from '../read/foreign.ts';
import { LogLines, adminOf, makeEngine, newPrefix, startEngine, until } from '../support.ts';

const secret = 'hunter2-is-secret';
async function failureOf(work: Promise<unknown>): Promise<Error & { code?: string }> {
  return work.then(
    () => expect.fail('expected it to be refused'),
    (error: Error) => error,
  );
}

describeWithBroker('redis', 'refusals', async () => {
  const guarded = await ownRedis({ password: 'right' });
  const full = await ownRedis({ args: ['--maxmemory-policy', 'noeviction'] });

  describe.each(['pubsub', 'streams'] as const)('mode %s', (mode) => {
    test('start rejects a wrong password, which appears in no message, log or cause', async () => {
      const url = guarded.url.replace(':right@', `:${secret}@`);
      for (const config of [
        { url },
        { url: guarded.url, password: secret },
        { url: guarded.url, username: 'nobody' },
      ]) {
        const log = new LogLines();
        const engine = makeEngine({ ...config, mode }, log);
        const error = await failureOf(engine.start());
        expect(error).toMatchObject({
          code: 'CONNECTION_FAILED',
          message: expect.stringContaining('password'),
        });
        const everything = inspect(error, { depth: 20, showHidden: true }) + log.lines.join('\n');
        expect(everything).not.toContain(secret);
        expect((await engine.health()).status).toBe('down');
      }
      const right = await startEngine({ url: guarded.url, mode });
      expect((await right.health()).status).toBe('up');
    });

    test('a wrong password of a cluster appears in no message, log or cause', async () => {
      const { hostname, port } = new URL(guarded.url);
      const node = { host: hostname, port: Number(port) };
      const createClient = (): Cluster =>
        new Cluster([node], { lazyConnect: true, redisOptions: { password: secret } });
      const log = new LogLines();
      const error = await failureOf(makeEngine({ createClient, mode }, log).start());
      expect(error).toMatchObject({
        code: 'CONNECTION_FAILED',
        message: expect.stringContaining('Check the user, the password'),
      });
      const everything = inspect(error, { depth: null, showHidden: true }) + log.lines.join('\n');
      expect(everything).not.toContain(secret);
    });

    test('start rejects at once if no server listens', async () => {
      const engine = makeEngine({ url: `redis://user:${secret}@127.0.0.1:1`, mode });
      const error = await failureOf(engine.start());
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
      expect(inspect(error, { depth: 20 })).not.toContain(secret);
    });
  });

  test.each([
    ['pubsub', undefined],
    ['streams', undefined],
    ['streams', 'g'],
  ] as const)(
    'a subscribe that gets no answer in time names its topic, %s, group %s',
    async (mode, group) => {
      const { url } = await ownRedis();
      const engine = await startEngine({ url, mode, commandTimeoutMs: 200 });
      await adminOf(url).client('PAUSE', 60_000, 'ALL');
      const error = await failureOf(engine.subscribe('orders', () => {}, { group }));
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED', topic: 'orders', engine: 'redis' });
    },
  );

  test('on a full server, subscribing with a group rejects with an error that says what to do', async () => {
    const { url } = await ownRedis({ args: ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'] });
    const engine = await startEngine({ url, mode: 'streams' });
    const error = await failureOf(engine.subscribe('orders', () => {}, { group: 'g' }));
    expect(error).toMatchObject({
      code: 'COMMAND_FAILED',
      topic: 'orders',
      engine: 'redis',
      message: expect.stringMatching(/OOM.*raise its maxmemory/),
    });
  });

  test('on a replica, subscribing with a group and publishing reject with errors that name the cause', async () => {
    const { url } = await ownRedis();
    const engine = await startEngine({ url, mode: 'streams' });
    await adminOf(url).replicaof('127.0.0.1', await freePort());
    const errors = await Promise.all([
      failureOf(engine.subscribe('orders', () => {}, { group: 'g' })),
      failureOf(engine.publish({ topic: 'orders', payload: 1 })),
    ]);
    for (const error of errors) {
      expect(error).toMatchObject({
        topic: 'orders',
        engine: 'redis',
        message: expect.stringMatching(/READONLY.*The server is a replica/),
      });
    }
  });

  test.each([undefined, 'g'])(
    'a key that is not a stream cannot be subscribed to, group %s',
    async (group) => {
      const keyPrefix = newPrefix();
      const url = full.url;
      await adminOf(url).set(`${keyPrefix}taken`, 'text');
      const engine = await startEngine({ url, mode: 'streams', keyPrefix });
      const error = await failureOf(engine.subscribe('taken', () => {}, { group }));
      expect(error).toMatchObject({
        code: 'COMMAND_FAILED',
        topic: 'taken',
        engine: 'redis',
        message: expect.stringMatching(/WRONGTYPE.*keyPrefix/),
      });
    },
  );

  test.each([undefined, 'g'])(
    'a key that is not a stream does not keep a pattern from its other topics, group %s',
    async (group) => {
      const keyPrefix = newPrefix();
      const engine = await startEngine({ url: full.url, mode: 'streams', keyPrefix, blockMs: 200 });
      for (const topic of ['broken', 'whole']) await engine.publish({ topic, payload: 'before' });
      const admin = adminOf(full.url);
      await admin.multi().del(`${keyPrefix}broken`).set(`${keyPrefix}broken`, 'text').exec();
      const seen: unknown[] = [];
      await engine.subscribe('*', ({ payload }) => void seen.push(payload), { group });
      await engine.publish({ topic: 'whole', payload: 1 });
      await until('the event of the other topic', () => seen.includes(1));
      await admin.del(`${keyPrefix}broken`);
      await engine.publish({ topic: 'broken', payload: 2 });
      await until('the event of the topic that is well again', () => seen.includes(2));
      expect(seen).toEqual([1, 2]);
    },
  );

  test.each([undefined, 'g'])(
    'a topic whose stream is replaced by another type delays no other topic, group %s',
    async (group) => {
      const keyPrefix = newPrefix();
      const engine = await startEngine({ url: full.url, mode: 'streams', keyPrefix, blockMs: 200 });
      const seen: unknown[] = [];
      for (const topic of ['broken', 'whole'])
        await engine.subscribe(topic, ({ payload }) => void seen.push(payload), { group });
      await engine.publish({ topic: 'broken', payload: 'first' });
      await until('the first event', () => seen.length === 1);
      const admin = adminOf(full.url);
      await admin.multi().del(`${keyPrefix}broken`).set(`${keyPrefix}broken`, 'text').exec();
      for (const payload of [1, 2, 3]) {
        await engine.publish({ topic: 'whole', payload });
        await until('the event of the other topic', () => seen.includes(payload));
      }
      await admin.del(`${keyPrefix}broken`);
      await engine.publish({ topic: 'broken', payload: 'last' });
      await until('the event of the topic that is well again', () => seen.includes('last'));
      expect(seen).toEqual(['first', 1, 2, 3, 'last']);
    },
  );

  describe('a subscription whose user may not use some topics', () => {
    const claimIdleMs = 500;

    /** A publisher that may do everything, and a subscriber whose user may not use the streams of some topics. */
    async function pair() {
      const { url } = full;
      const keyPrefix = newPrefix();
      const username = keyPrefix.slice(0, -1);
      const admin = adminOf(url);
      const allow = (...keys: readonly string[]): Promise<unknown> =>
        admin.call('ACL', 'SETUSER', username, 'on', '>secret', '+@all', 'resetkeys', ...keys);
      const allowAll = (): Promise<unknown> => allow(`~${keyPrefix}*`);
      const refuseBad = (): Promise<unknown> => allow(`~${keyPrefix}:*`, `~${keyPrefix}good*`);
      await allowAll();
      onTestFinished(() => void admin.call('ACL', 'DELUSER', username).catch(() => {}));
      const publisher = await startEngine({ url, mode: 'streams', keyPrefix });
      const member = await startEngine({
        url,
        username,
        password: 'secret',
        mode: 'streams',
        keyPrefix,
        claimIdleMs,
        blockMs: 200,
        stallLimitMs: 100,
      });
      const publish = (topic: string, payload: unknown): Promise<void> =>
        publisher.publish({ topic, payload });
      const whenNamed = (topic: string): Promise<void> =>
        until('health to name the topic', async () => {
          const { status, error = '' } = await member.health();
          return status === 'degraded' && error.includes(`"${topic}"`) && error.includes('NOPERM');
        });
      const leasePasses = async (): Promise<void> => {
        const end = performance.now() + 2 * claimIdleMs;
        await until('the lease to be over', () => performance.now() > end);
      };
      return { member, publish, allowAll, refuseBad, whenNamed, leasePasses };
    }

    test('receives its other channels after a reconnect, and this one when the server allows it again', async () => {
      const { url } = full;
      const keyPrefix = newPrefix();
      const username = keyPrefix.slice(0, -1);
      const admin = adminOf(url);
      const allow = (...topics: readonly string[]): Promise<unknown> => {
        const channels = topics.map((topic) => `&${keyPrefix}${topic}`);
        const rules = ['on', '>secret', '+@all', 'allkeys', 'resetchannels', ...channels];
        return admin.call('ACL', 'SETUSER', username, ...rules);
      };
      await allow('good', 'bad', 'good.*');
      onTestFinished(() => void admin.call('ACL', 'DELUSER', username).catch(() => {}));
      const publisher = await startEngine({ url, keyPrefix });
      const config = { url, username, password: 'secret', keyPrefix, commandTimeoutMs: 500 };
      const subscriber = await startEngine(config);
      const seen: unknown[] = [];
      for (const topic of ['bad', 'good', 'good.*'])
        await subscriber.subscribe(topic, ({ payload }) => void seen.push(payload));
      // The server closes the connections of the user.
      await allow('good', 'good.*');
      const arrives = (topic: string, payload: string): Promise<void> =>
        until(payload, async () => {
          await publisher.publish({ topic, payload });
          return seen.includes(payload);
        });
      await arrives('good', 'by its topic');
      await arrives('good.one', 'by a pattern');
      expect(await subscriber.health()).toMatchObject({
        status: 'degraded',
        error: expect.stringMatching(/"bad".*NOPERM/),
      });
      expect(await failureOf(subscriber.subscribe('bad', () => {}))).toMatchObject({
        code: 'COMMAND_FAILED',
      });
      await allow('good', 'bad', 'good.*');
      await arrives('bad', 'allowed again');
      expect((await subscriber.health()).status).toBe('up');
    });

    test.each([undefined, 'g'])(
      'receives the other topics of its pattern from the start, group %s',
      async (group) => {
        const { member, publish, allowAll, refuseBad, whenNamed } = await pair();
        for (const topic of ['bad', 'good']) await publish(topic, `${topic} before`);
        await refuseBad();
        const seen: unknown[] = [];
        await member.subscribe('*', ({ payload }) => void seen.push(payload), { group });
        await publish('bad', 'bad 1');
        await publish('good', 'good 1');
        await until('the event of the other topic', () => seen.includes('good 1'));
        await whenNamed('bad');
        await allowAll();
        await until('the event of the topic that is allowed', () => seen.includes('bad 1'));
        expect(seen).toEqual(['good 1', 'bad 1']);
      },
    );

    test.each([undefined, 'g'])('is rejected with that reason, group %s', async (group) => {
      const { member, refuseBad } = await pair();
      await refuseBad();
      const error = await failureOf(member.subscribe('bad', () => {}, { group }));
      expect(error).toMatchObject({
        code: 'COMMAND_FAILED',
        message: expect.stringMatching(/NOPERM.*permissions of that user/),
      });
    });

    test('continues with its other topics while the server rejects one topic', async () => {
      const { member, publish, allowAll, refuseBad, whenNamed, leasePasses } = await pair();
      const seen: unknown[] = [];
      await member.subscribe('*', ({ payload }) => void seen.push(payload), { group: 'g' });
      await publish('bad', 'bad 1');
      await publish('good', 'good 1');
      await until('the first events', () => seen.length === 2);
      await refuseBad();
      await publish('bad', 'bad 2');
      await whenNamed('bad');
      await leasePasses();
      for (const payload of ['good 2', 'good 3']) {
        await publish('good', payload);
        await until('the event of the other topic', () => seen.includes(payload));
      }
      expect(seen).not.toContain('bad 2');
      await allowAll();
      await until('the event of the topic that is allowed again', () => seen.includes('bad 2'));
      await until('health to be up again', async () => (await member.health()).status === 'up');
      expect(new Set(seen).size).toBe(seen.length);
    });

    test('starts no handler for a topic whose lease it cannot renew', async () => {
      const { member, publish, allowAll, refuseBad, leasePasses } = await pair();
      const seen: unknown[] = [];
      let letGo!: () => void;
      const gate = new Promise<void>((resolve) => (letGo = resolve));
      const handler = ({ payload }: { payload: unknown }): Promise<void> => {
        seen.push(payload);
        return gate;
      };
      await member.subscribe('*', handler, { group: 'g' });
      await publish('good', 'good 1');
      await until('the first event', () => seen.length === 1);
      for (const payload of ['bad 1', 'bad 2']) await publish('bad', payload);
      for (const payload of ['good 2', 'good 3']) await publish('good', payload);
      await until('all to be handed over', () => member.stats().pending === 5);
      await refuseBad();
      await leasePasses();
      letGo();
      await until('the events of the other topic', () => seen.includes('good 3'));
      expect(seen).toEqual(['good 1', 'good 2', 'good 3']);
      await allowAll();
      await until('the events of the topic that is allowed again', () => seen.includes('bad 2'));
      expect(seen).toEqual(['good 1', 'good 2', 'good 3', 'bad 1', 'bad 2']);
    });

    test('finds new topics after the server has rejected a topic', async () => {
      const { member, publish, allowAll, refuseBad, whenNamed } = await pair();
      const seen: unknown[] = [];
      await refuseBad();
      await member.subscribe('*', ({ payload }) => void seen.push(payload), { group: 'g' });
      await publish('bad', 'bad 1');
      await publish('good.new', 'good 1');
      await until('the event of the other topic', () => seen.includes('good 1'));
      await whenNamed('bad');
      await allowAll();
      await until('the event of the topic that is allowed', () => seen.includes('bad 1'));
      expect(seen).toEqual(['good 1', 'bad 1']);
    });
  });

  test('on a full server, publishing rejects with a typed error, and works again when there is room', async () => {
    const engine = await startEngine({ url: full.url, mode: 'streams', keyPrefix: newPrefix() });
    const admin = adminOf(full.url);
    // An empty server takes more in one version than in another.
    const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))![1]);
    await admin.config('SET', 'maxmemory', used + 2_000_000);
    const payload = 'x'.repeat(100_000);
    const fill = async (): Promise<void> => {
      for (let n = 0; n < 200; n++) await engine.publish({ topic: 'big', payload });
    };
    const error = await failureOf(fill());
    expect(error).toMatchObject({
      code: 'PUBLISH_FAILED',
      topic: 'big',
      message: expect.stringContaining('maxmemory'),
    });
    expect(inspect(error, { depth: 20 })).not.toContain('xxxxxxxxxx');
    await admin.flushall();
    await until('room', () =>
      engine.publish({ topic: 'big', payload: 1 }).then(
        () => true,
        () => false,
      ),
    );
  });
});
