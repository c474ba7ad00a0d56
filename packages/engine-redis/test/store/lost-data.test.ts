import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { ownRedis } from '../read/foreign.ts';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

/*
 * A server that lost its data, or part of it, while the engine was connected.
 */
describeWithBroker('redis', 'a server without its data', async () => {
  const { url } = await ownRedis();
  const config = { url, mode: 'streams', blockMs: 200, claimIdleMs: 300 } as const;

  test('after FLUSHALL, a topic that a group has created again is announced to pattern subscriptions', async () => {
    const keyPrefix = newPrefix();
    const [publisher, reader, late] = [
      await startEngine({ ...config, keyPrefix }),
      await startEngine({ ...config, keyPrefix }),
      await startEngine({ ...config, keyPrefix }),
    ];
    const [grouped, plain]: [unknown[], unknown[]] = [[], []];
    await reader.subscribe('flush.a', ({ payload }) => void grouped.push(payload), { group: 'g' });
    await publisher.publish({ topic: 'flush.a', payload: 1 });
    await until('the first event', () => grouped.length === 1);
    const admin = adminOf(url);
    await admin.flushall();
    await until('the group to be there again', async () => (await admin.exists(`${keyPrefix}flush.a`)) === 1);
    await late.subscribe('flush.*', ({ payload }) => void plain.push(payload));
    await publisher.publish({ topic: 'flush.a', payload: 2 });
    await until('the second event', () => grouped.length === 2 && plain.length === 1);
    expect(plain).toEqual([2]);
  });

  test('after FLUSHALL, groups have their patterns again, and read new topics from their first event', async () => {
    const keyPrefix = newPrefix();
    const [publisher, reader] = [
      await startEngine({ ...config, keyPrefix }),
      await startEngine({ ...config, keyPrefix }),
    ];
    await reader.subscribe('flush.*', () => {}, { group: 'g' });
    const admin = adminOf(url);
    await admin.flushall();
    await until('the pattern to be known', async () => (await admin.hlen(`${keyPrefix}:patterns`)) === 1);
    await publisher.publish({ topic: 'flush.b', payload: 1 });
    const groups = (await admin.xinfo('GROUPS', `${keyPrefix}flush.b`)) as unknown[][];
    expect(groups.map(([, name]) => name)).toEqual(['g']);
  });

  test('a destroyed group leaves nothing that holds back the new group with its name', async () => {
    const keyPrefix = newPrefix();
    const [engine, publisher] = [
      await startEngine({ ...config, keyPrefix }),
      await startEngine({ ...config, keyPrefix }),
    ];
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const seen: unknown[] = [];
    const gone = await engine.subscribe('own', () => gate, { group: 'g' });
    await publisher.publish({ topic: 'own', payload: 1, key: 'k' });
    const admin = adminOf(url);
    await until('the key to have an owner', async () => (await admin.hlen(`${keyPrefix}own:owners:g`)) === 1);
    await admin.del(`${keyPrefix}own`);
    await until('the group to be there again', async () => (await admin.exists(`${keyPrefix}own`)) === 1);
    expect(await admin.hlen(`${keyPrefix}own:owners:g`)).toBe(0);
    open();
    await gone.cancel();
    await publisher.subscribe('own', ({ payload }) => void seen.push(payload), { group: 'g' });
    await publisher.publish({ topic: 'own', payload: 2, key: 'k' });
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual([2]);
  });

  test('a group that cannot be created again does not stop the heartbeats of other groups', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ ...config, keyPrefix });
    for (const topic of ['many.a', 'many.b']) await engine.publish({ topic, payload: 0 });
    await engine.subscribe('many.*', () => {}, { group: 'g' });
    const admin = adminOf(url);
    await admin.del(`${keyPrefix}many.a`);
    // Something else under its name: the group is gone, and stays so.
    await admin.set(`${keyPrefix}many.a`, 'not a stream');
    const idle = async (): Promise<number> => {
      const infos = (await admin.xinfo('CONSUMERS', `${keyPrefix}many.b`, 'g')) as unknown[][];
      return infos.length === 0 ? Number.POSITIVE_INFINITY : Number(infos[0]?.[5]);
    };
    let [heard, last] = [0, 0];
    await until('heartbeats', async () => {
      const now = await idle();
      if (now < last) heard++;
      last = now;
      return heard >= 3;
    });
  });

  test('an event that another member passed on before the server lost its latest data still arrives', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, mode: 'streams', keyPrefix });
    const seen: unknown[] = [];
    await engine.subscribe('back', ({ payload }) => void seen.push(payload), { group: 'g' });
    const admin = adminOf(url);
    const stream = `${keyPrefix}back`;
    await engine.publish({ topic: 'back', payload: 'first', key: 'k' });
    await until('the first event to be settled', async () => {
      const [count] = (await admin.xpending(stream, 'g')) as [number];
      return seen.length === 1 && count === 0;
    });
    const dump = await admin.dumpBuffer(stream);
    await engine.publish({ topic: 'back', payload: 'second', key: 'k' });
    await until('the second event', () => seen.length === 2);
    const [[, consumer]] = (await admin.xinfo('CONSUMERS', stream, 'g')) as [[string, string]];
    const [[id, fields]] = (await admin.xrevrange(stream, '+', '-', 'COUNT', 1)) as [[string, string[]]];
    // Restores the stream from before the second event. Then adds an event that another member has read and passed on to this member.
    await admin.restore(stream, 0, dump, 'REPLACE');
    await admin.xadd(stream, id, ...fields.map((field) => field.replace('second', 'third')));
    await admin.xreadgroup('GROUP', 'g', 'other.1', 'COUNT', 1, 'STREAMS', stream, '>');
    await admin.xclaim(stream, 'g', consumer, 0, id, 'RETRYCOUNT', 0, 'JUSTID');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until('the event that was passed on', () => seen.includes('third'));
  });
});
