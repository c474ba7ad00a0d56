import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { CuttingProxy } from '../cutting-proxy.ts';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

/*
 * Connections that close in the middle of an answer, once for each of its bytes.
 */
describeWithBroker('redis', 'an answer that is cut', ({ url }) => {
  /** Each byte of an answer takes a reconnect: several engines share them. */
  const lanes = 8;

  const kinds = [
    ['a blocking read', 'plain', /xread/i],
    ['a read behind a blocking one', 'group', /xread[^]*evalsha/i],
    ['a read or a heartbeat of a group', 'group', /^[^]{0,20}evalsha/i],
    ['an acknowledgement', 'group', /xack/i],
  ] as const;

  test.each(kinds)('to %s loses and repeats no event', async (_, kind, after) => {
    const group = kind === 'group' ? 'g' : undefined;
    const makeLane = async () => {
      const proxy = await CuttingProxy.start(url);
      const config = { url: proxy.url, mode: 'streams', claimIdleMs: 5000, blockMs: 300 } as const;
      const keyPrefix = newPrefix();
      const [engine, own] = [
        await startEngine({ ...config, keyPrefix }),
        await startEngine({ url, mode: 'streams', keyPrefix }),
      ];
      const seen: unknown[] = [];
      await engine.subscribe('cut', ({ payload }) => void seen.push(payload), { group });
      let published = 0;
      const pass = async (bytes: number): Promise<void> => {
        const { cuts } = proxy;
        proxy.cut = { after, bytes };
        await until(`a cut after byte ${bytes}, and the events beside it`, async () => {
          const n = published++;
          await own.publish({ topic: 'cut', payload: n });
          await until(`event ${n}`, () => seen.includes(n));
          return bytes < 0 ? proxy.measured.has(after) : proxy.cuts > cuts;
        });
      };
      return { proxy, seen, pass };
    };
    const all = await Promise.all(Array.from({ length: lanes }, makeLane));
    const [first] = all as [(typeof all)[0]];
    await first.pass(-1);
    const length = first.proxy.measured.get(after)!;
    await Promise.all(
      all.map(async ({ pass }, lane) => {
        for (let bytes = lane; bytes < length; bytes += lanes) await pass(bytes);
      }),
    );
    const cuts = all.reduce((sum, { proxy }) => sum + proxy.cuts, 0);
    expect(cuts).toBe(length);
    for (const { seen } of all) expect(seen).toEqual([...new Set(seen)]);
  });

  test.each([
    ['pubsub', /publish/i],
    ['streams', /xadd/i],
  ] as const)(
    'to a publish causes at most a typed error, and the next publish works, mode %s',
    async (mode, after) => {
      const proxy = await CuttingProxy.start(url);
      const keyPrefix = newPrefix();
      const engine = await startEngine({ url: proxy.url, mode, keyPrefix });
      const consumer = await startEngine({ url, mode, keyPrefix });
      const seen: unknown[] = [];
      await consumer.subscribe('cut', ({ payload }) => void seen.push(payload));
      await engine.publish({ topic: 'cut', payload: 'first' });
      proxy.cut = { after, bytes: -1 };
      await engine.publish({ topic: 'cut', payload: 'measured' });
      const length = proxy.measured.get(after)!;
      const accepted: unknown[] = [];
      const codes = new Set<string | undefined>(['PUBLISH_FAILED']);
      const publish = async (payload: string): Promise<void> => {
        await engine.publish({ topic: 'cut', payload });
        accepted.push(payload);
      };
      for (let bytes = 0; bytes < length; bytes++) {
        proxy.cut = { after, bytes };
        await publish(`${bytes} cut`).catch((error: { code?: string }) => codes.add(error.code));
        await until('the connection to end', () => proxy.cuts === bytes + 1);
        await publish(`${bytes} next`).catch(() => publish(`${bytes} next`));
      }
      await until('all that was accepted', () => accepted.every((one) => seen.includes(one)));
      expect(accepted.length).toBeGreaterThanOrEqual(length);
      expect(codes).toEqual(new Set(['PUBLISH_FAILED']));
    },
  );

  test('to the last acknowledgement of a leaving member does not keep the member in its group', async () => {
    const proxy = await CuttingProxy.start(url);
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url: proxy.url, mode: 'streams', keyPrefix });
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    let isBegun = false;
    const handler = async (): Promise<void> => {
      isBegun = true;
      await gate;
    };
    const subscription = await engine.subscribe('cut', handler, { group: 'g' });
    await engine.publish({ topic: 'cut', payload: 1 });
    await until('the handler to have begun', () => isBegun);
    const leaving = subscription.cancel();
    proxy.cut = { after: /xack/i, bytes: 0 };
    open();
    await leaving;
    const admin = adminOf(url);
    await until('the member to have left', async () => {
      const consumers = (await admin.xinfo('CONSUMERS', `${keyPrefix}cut`, 'g')) as unknown[];
      return proxy.cuts === 1 && consumers.length === 0;
    });
  });

  test('to a subscribe causes at most a typed error, and the next subscribe works', async () => {
    const proxy = await CuttingProxy.start(url);
    const engine = await startEngine({ url: proxy.url, mode: 'streams', keyPrefix: newPrefix() });
    const after = /evalsha|eval\b/i;
    const subscribe = async (topic: string): Promise<void> =>
      (await engine.subscribe(topic, () => {}, { group: 'g' })).cancel();
    const codes = new Set<string | undefined>(['CONNECTION_FAILED']);
    await subscribe('warm');
    for (let bytes = 0; bytes < 5; bytes++) {
      proxy.cut = { after, bytes };
      await subscribe(`topic-${bytes}`).catch((error: { code?: string }) => codes.add(error.code));
      await subscribe(`topic-${bytes}`);
    }
    expect(proxy.cuts).toBe(5);
    expect(codes).toEqual(new Set(['CONNECTION_FAILED']));
  });
});
