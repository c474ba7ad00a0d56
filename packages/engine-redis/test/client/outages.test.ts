import { createEventBus } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import type { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { redisEngine } from '../../src/index.ts';
import { CuttingProxy } from '../cutting-proxy.ts';
import { ownRedis } from '../read/foreign.ts';
import { Flow, LogLines, adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'outages', async () => {
  const broker = await ownRedis();

  const roomy = { bufferSize: 100_000 };

  describe('mode streams', () => {
    test('loses no accepted event while the server restarts under load, in a group and without', async () => {
      const config = { url: broker.url, mode: 'streams', keyPrefix: newPrefix() } as const;
      const [publisher, consumer] = [await startEngine(config), await startEngine(config)];
      const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
      await consumer.subscribeAsync('load', ({ payload }) => void grouped.add(payload), {
        ...roomy,
        group: 'g',
      });
      await consumer.subscribe('lo*', ({ payload }) => void plain.add(payload), roomy);
      const flow = new Flow(publisher, 'load');
      for (let restart = 0; restart < 2; restart++) {
        await flow.reaches(200);
        await broker.restart();
      }
      await flow.reaches(200);
      await flow.end();
      await until('every accepted event in the group', () => flow.accepted.every((n) => grouped.has(n)));
      await until('every accepted event without a group', () => flow.accepted.every((n) => plain.has(n)));
      expect(new Set(flow.refused)).toEqual(new Set(flow.refused.length === 0 ? [] : ['PUBLISH_FAILED']));
    });

    test('continues after CLIENT KILL of each of its connections, without loss', async () => {
      const config = { url: broker.url, mode: 'streams', keyPrefix: newPrefix() } as const;
      const engine = await startEngine(config);
      const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
      await engine.subscribeAsync('kill', ({ payload }) => void grouped.add(payload), {
        ...roomy,
        group: 'g',
      });
      await engine.subscribe('kill', ({ payload }) => void plain.add(payload), roomy);
      const flow = new Flow(engine, 'kill');
      const admin = adminOf(broker.url);
      for (const role of ['publisher', 'streams', 'reader', 'group-reader']) {
        await flow.reaches(50);
        await killConnection(admin, `redis-${role}`);
        await flow.reaches(50);
      }
      await flow.end();
      await until('every accepted event in the group', () => flow.accepted.every((n) => grouped.has(n)));
      await until('every accepted event without a group', () => flow.accepted.every((n) => plain.has(n)));
      await until('nothing to be pending on the server', async () => {
        const [count] = (await admin.xpending(`${config.keyPrefix}kill`, 'g')) as [number];
        return count === 0;
      });
    });

    test('follows a failover that closes no connection: the old primary becomes a replica, and new connections reach the new primary', async () => {
      const { proxy, failOver } = await pairOfServers();
      // As long as a connection is kept at least, a second.
      const config = {
        url: proxy.url,
        mode: 'streams',
        keyPrefix: newPrefix(),
        commandTimeoutMs: 1000,
      } as const;
      const engine = await startEngine(config);
      const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
      await engine.subscribe('fail', ({ payload }) => void grouped.add(payload), { group: 'g' });
      await engine.subscribe('fa*', ({ payload }) => void plain.add(payload));
      await engine.publish({ topic: 'fail', payload: 'before' });
      await until('the first event', () => grouped.size === 1 && plain.size === 1);
      await failOver();
      await until('an event to be accepted', () =>
        engine.publish({ topic: 'fail', payload: 'after' }).then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'PUBLISH_FAILED' });
            return false;
          },
        ),
      );
      await until('it in the group and without', () => grouped.has('after') && plain.has('after'));
      expect((await engine.health()).status).toBe('up');
    });

    test('creates its groups again after FLUSHALL, and finds topics that are new then', async () => {
      const config = { url: broker.url, mode: 'streams', keyPrefix: newPrefix(), blockMs: 200 } as const;
      const engine = await startEngine(config);
      const other = await startEngine(config);
      const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
      await engine.subscribe('flush.*', ({ payload }) => void grouped.add(payload), { group: 'g' });
      await engine.subscribe('flush.*', ({ payload }) => void plain.add(payload));
      await other.publish({ topic: 'flush.old', payload: 1 });
      await until('the first event', () => grouped.has(1) && plain.has(1));
      await adminOf(broker.url).flushall();
      await other.publish({ topic: 'flush.old', payload: 2 });
      await other.publish({ topic: 'flush.new', payload: 3 });
      await until('the events after it', () => [2, 3].every((n) => grouped.has(n) && plain.has(n)));
    });

    test('stops while the server is paused, and its unsettled events go to another member', async () => {
      const config = { url: broker.url, mode: 'streams', keyPrefix: newPrefix(), claimIdleMs: 300 } as const;
      const [leaving, publisher] = [await startEngine(config), await startEngine(config)];
      let began = 0;
      await leaving.subscribe(
        'pause',
        () => {
          began++;
          return new Promise<void>(() => {});
        },
        { group: 'g' },
      );
      for (let n = 0; n < 5; n++) await publisher.publish({ topic: 'pause', payload: n });
      await until('the first event to be handled', () => began === 1);
      await broker.pause();
      try {
        await expect(leaving.stop({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT' });
      } finally {
        await broker.resume();
      }
      const seen = new Set<unknown>();
      await publisher.subscribe('pause', ({ payload }) => void seen.add(payload), { group: 'g' });
      await until('all events at the other', () => seen.size === 5);
    });
  });

  describe('mode pubsub', () => {
    test('subscribes again after CLIENT KILL, and reports the gap', async () => {
      const engine = await startEngine({ url: broker.url, keyPrefix: newPrefix() });
      const seen = new Set<unknown>();
      await engine.subscribe('kill', ({ payload }) => void seen.add(payload));
      await engine.subscribe('ki*', ({ payload }) => void seen.add(`pattern ${String(payload)}`));
      const admin = adminOf(broker.url);
      for (const [round, role] of ['subscriber', 'publisher'].entries()) {
        await killConnection(admin, `redis-${role}`);
        await until('health to be up', async () => (await engine.health()).status === 'up');
        await engine.publish({ topic: 'kill', payload: round });
        await until('the event', () => seen.has(round) && seen.has(`pattern ${round}`));
      }
      const { details } = await engine.health();
      expect(details).toMatchObject({ mode: 'pubsub', gaps: 1, lastGap: { since: expect.any(String) } });
    });

    test('reports each gap once to observers, for each topic and pattern that had no connection', async () => {
      const bus = createEventBus({
        engines: [{ name: 'live', engine: redisEngine({ url: broker.url, keyPrefix: newPrefix() }) }],
        logger: new LogLines(),
      });
      onTestFinished(() => bus.stop({ timeoutMs: 100 }).catch(() => {}));
      const missed: Record<string, unknown>[] = [];
      const topicsFrom = (first: number): Set<unknown> =>
        new Set(missed.slice(first).map(({ topic }) => topic));
      bus.observe(({ type, data }) => {
        if (type.endsWith('message.failed') && data['outcome'] === 'missed') missed.push(data);
      });
      await bus.start();
      await bus.subscribe('gap.a', () => {});
      await bus.subscribe('gap.a', () => {});
      await bus.subscribe('gap.*', () => {});
      const gone = await bus.subscribe('gap.b', () => {});
      await gone.cancel();
      const before = Date.now();
      await killConnection(adminOf(broker.url), 'live-subscriber');
      await until('the gap to be told', () => missed.length >= 2);
      expect(topicsFrom(0)).toEqual(new Set(['gap.*', 'gap.a']));
      for (const { engine, since, until: end, reason } of missed) {
        expect(engine).toBe('live');
        expect(reason).toContain('connection');
        const times = [before - 1000, Date.parse(String(since)), Date.parse(String(end)), Date.now() + 1000];
        expect(times).toEqual(times.toSorted((a, b) => a - b));
      }
      await broker.restart();
      await until('the restart to be told too', () => missed.length >= 4);
      expect(topicsFrom(2)).toEqual(new Set(['gap.*', 'gap.a']));
    });

    test('detects that the subscriber receives nothing any more, and reports the gap', async () => {
      const engine = await startEngine({ url: broker.url, keyPrefix: newPrefix(), commandTimeoutMs: 1000 });
      const seen = new Set<unknown>();
      await engine.subscribe('silent', ({ payload }) => void seen.add(payload));
      await broker.pause();
      try {
        await until('it to be noticed', async () => {
          const { details } = await engine.health();
          return (details as { lastGap?: object }).lastGap !== undefined;
        });
      } finally {
        await broker.resume();
      }
      await until('health to be up', async () => (await engine.health()).status === 'up');
      expect((await engine.health()).details).toMatchObject({ gaps: 1 });
      await engine.publish({ topic: 'silent', payload: 1 });
      await until('the event', () => seen.has(1));
    });

    test('a second subscription to a topic that is made during an outage waits for the new connection', async () => {
      const proxy = await CuttingProxy.start(broker.url);
      const keyPrefix = newPrefix();
      const publisher = await startEngine({ url: broker.url, keyPrefix });
      const engine = await startEngine({ url: proxy.url, keyPrefix });
      await engine.subscribe('outage', () => {});
      proxy.down();
      await until('the subscriber to notice the loss', async () => {
        const { details } = await engine.health();
        return (details as { lastGap?: object }).lastGap !== undefined;
      });
      const seen: unknown[] = [];
      const subscribing = engine.subscribe('outage', ({ payload }) => void seen.push(payload));
      proxy.up();
      await subscribing;
      await publisher.publish({ topic: 'outage', payload: 1 });
      await until('the event', () => seen.length === 1);
    });

    test('publishes to the new primary after a failover that closes no connection', async () => {
      const { proxy, next, failOver } = await pairOfServers();
      const keyPrefix = newPrefix();
      const publisher = await startEngine({ url: proxy.url, keyPrefix, commandTimeoutMs: 1000 });
      const subscriber = await startEngine({ url: next.url, keyPrefix });
      const seen = new Set<unknown>();
      await subscriber.subscribe('fail', ({ payload }) => void seen.add(payload));
      // A publish that is on its way when the connection is replaced rejects.
      const publish = (payload: string): Promise<void> =>
        publisher.publish({ topic: 'fail', payload }).catch(() => {});
      await until('an event over the old primary', async () => {
        await publish('before');
        return seen.has('before');
      });
      await failOver();
      await until('an event over the new primary', async () => {
        await publish('after');
        return seen.has('after');
      });
    });

    test('subscriptions to the same topic or pattern share one subscription on the server, which ends with the last', async () => {
      const keyPrefix = newPrefix();
      const engine = await startEngine({ url: broker.url, keyPrefix });
      const admin = adminOf(broker.url);
      const counts = async (): Promise<unknown[]> => {
        const [, channel] = (await admin.pubsub('NUMSUB', `${keyPrefix}shared`)) as [string, number];
        return [channel, await admin.pubsub('NUMPAT')];
      };
      const before = Number(await admin.pubsub('NUMPAT'));
      const all = [];
      for (const topic of ['shared', 'shared', 'shar*', 'shar*'])
        all.push(await engine.subscribe(topic, () => {}));
      expect(await counts()).toEqual([1, before + 1]);
      await all[0]!.cancel();
      await all[2]!.cancel();
      expect(await counts()).toEqual([1, before + 1]);
      await all[1]!.cancel();
      await all[3]!.cancel();
      await until('the server to be told', async () => String(await counts()) === `0,${before}`);
    });

    test('a publish rejects in time if the server is paused, and stop does not wait for the server', async () => {
      const engine = await startEngine({ url: broker.url, keyPrefix: newPrefix(), commandTimeoutMs: 1000 });
      await engine.subscribe('pause', () => {});
      await broker.pause();
      try {
        const failure = { code: 'PUBLISH_FAILED', message: expect.stringContaining('no answer') };
        await expect(engine.publish({ topic: 'pause', payload: 1 })).rejects.toMatchObject(failure);
        expect((await engine.health()).status).toBe('down');
        await engine.stop();
      } finally {
        await broker.resume();
      }
    });
  });

  /** A primary behind a proxy, and its replica, which can take its part. */
  async function pairOfServers() {
    // Two containers would not reach each other at the addresses that we know.
    const paired = { providers: ['local'], args: ['--repl-diskless-sync-delay', '0'] } as const;
    const [old, next] = [await ownRedis(paired), await ownRedis(paired)];
    const [oldAdmin, nextAdmin] = [adminOf(old.url), adminOf(next.url)];
    const isCopy = async (admin: Redis): Promise<boolean> =>
      (await admin.info('replication')).includes('master_link_status:up');
    const addressOf = (url: string): [string, number] => ['127.0.0.1', Number(new URL(url).port)];
    await nextAdmin.replicaof(...addressOf(old.url));
    await until('the replica to have caught up', () => isCopy(nextAdmin));
    const proxy = await CuttingProxy.start(old.url);
    /** Connections stay where they are, and new ones reach the new primary. */
    const failOver = async (): Promise<void> => {
      await nextAdmin.replicaof('NO', 'ONE');
      await oldAdmin.replicaof(...addressOf(next.url));
      await until('the old primary to be a replica', () => isCopy(oldAdmin));
      proxy.turnTo(next.url);
    };
    return { proxy, next, failOver };
  }

  async function killConnection(admin: ReturnType<typeof adminOf>, name: string): Promise<void> {
    const list = String(await admin.client('LIST'));
    const ids = list.split('\n').filter((line) => line.includes(` name=${name} `));
    expect(ids.length).toBeGreaterThan(0);
    for (const line of ids) await admin.client('KILL', 'ID', /id=(\d+)/.exec(line)?.[1] ?? '');
  }
});
