import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { CuttingProxy } from '../cutting-proxy.ts';
import { LogLines, adminOf, newPrefix, startEngine, until } from '../support.ts';

const claimIdleMs = 500;

/** A handler that runs until the test calls `letGo`, and the events that it got. */
function holding() {
  let letGo!: () => void;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const seen: unknown[] = [];
  const handler = ({ payload }: { payload: unknown }): Promise<void> => {
    seen.push(payload);
    return gate;
  };
  return { handler, seen, letGo };
}

describeWithBroker('redis', 'live consumers', ({ url }) => {
  /** A subscription whose handler runs until the test ends it, and the events that it got. */
  async function join(keyPrefix: string): Promise<{ seen: unknown[]; log: LogLines; letGo: () => void }> {
    const log = new LogLines();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', claimIdleMs }, log);
    const { handler, seen, letGo } = holding();
    await engine.subscribeAsync('work', handler, { group: 'workers', concurrency: 3 });
    return { seen, log, letGo };
  }

  /** Of each consumer of the group, how long the server has not heard of it. */
  async function idleOf(admin: ReturnType<typeof adminOf>, stream: string): Promise<Map<string, number>> {
    const infos = (await admin.xinfo('CONSUMERS', stream, 'workers')) as (string | number)[][];
    return new Map(infos.map((info) => [String(info[1]), Number(info[info.indexOf('idle') + 1])]));
  }

  test('are members of the group before their first read', async () => {
    const keyPrefix = newPrefix();
    await join(keyPrefix);
    expect((await idleOf(adminOf(url), `${keyPrefix}work`)).size).toBe(1);
  });

  test('keep an event as long as its handler runs, so it is handled once', async () => {
    const keyPrefix = newPrefix();
    const members = [await join(keyPrefix), await join(keyPrefix)];
    const admin = adminOf(url);
    const stream = `${keyPrefix}work`;
    const engine = await startEngine({ url, keyPrefix, mode: 'streams' });
    for (let n = 0; n < 3; n++) await engine.publish({ topic: 'work', payload: n, key: `key-${n}` });
    const seen = (): unknown[] => members.flatMap((one) => one.seen);
    await until('the handlers to run', () => seen().length === 3);
    await until('the attempts to be recorded', async () =>
      (await admin.xpending(stream, 'workers', '-', '+', 10)).every((entry) => (entry as unknown[])[3] === 2),
    );
    const before = await admin.xpending(stream, 'workers', '-', '+', 10);
    const end = performance.now() + 3 * claimIdleMs;
    await until('three times what a consumer may be silent to be over', () => performance.now() > end);
    const whose = (entries: unknown[]): unknown[] =>
      (entries as unknown[][]).map(([id, consumer, , deliveries]) => [id, consumer, deliveries]);
    expect(whose(await admin.xpending(stream, 'workers', '-', '+', 10))).toEqual(whose(before));
    expect(seen()).toHaveLength(3);
    for (const { log } of members) expect(log.lines.filter((line) => line.includes('silent'))).toEqual([]);
    for (const { letGo } of members) letGo();
    await until('nothing to be pending', async () => {
      const [count] = (await admin.xpending(stream, 'workers')) as [number];
      return count === 0;
    });
    expect(new Set(seen())).toEqual(new Set([0, 1, 2]));
  });

  test('start no event that other members have taken over', async () => {
    const keyPrefix = newPrefix();
    const log = new LogLines();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', claimIdleMs }, log);
    const { handler, seen, letGo } = holding();
    await engine.subscribe('work', handler, { group: 'workers' });
    for (let n = 0; n < 5; n++) await engine.publish({ topic: 'work', payload: n });
    const admin = adminOf(url);
    const stream = `${keyPrefix}work`;
    const pending = async (): Promise<string[]> =>
      (await admin.xpending(stream, 'workers', '-', '+', 10)).map((entry) => (entry as [string])[0]);
    await until('all to be handed over', async () => (await pending()).length === 5);
    const ids = await pending();
    await admin.xclaim(stream, 'workers', 'other', 0, ids[1]!, ids[2]!, 'JUSTID');
    await until('it to be noticed', () => log.lines.some((line) => line.includes('taken over')));
    letGo();
    await until('the rest', () => seen.length === 3);
    expect(seen).toEqual([0, 3, 4]);
    await until(
      'nothing but that to be pending',
      async () => (await pending()).join() === `${ids[1]},${ids[2]}`,
    );
  });

  test('start no event after their lease expires, until the server answers again', async () => {
    const proxy = await CuttingProxy.start(url);
    const engine = await startEngine({
      url: proxy.url,
      keyPrefix: newPrefix(),
      mode: 'streams',
      claimIdleMs,
      stallLimitMs: 50,
    });
    const { handler, seen, letGo } = holding();
    await engine.subscribe('work', handler, { group: 'workers' });
    for (let n = 0; n < 5; n++) await engine.publish({ topic: 'work', payload: n });
    await until('all to be handed over', () => engine.stats().pending === 5);
    proxy.down();
    const end = performance.now() + claimIdleMs;
    await until('the lease to be over', () => performance.now() > end);
    letGo();
    await until('health to say what waits', async () =>
      /wait until this process is sure/.test((await engine.health()).error ?? ''),
    );
    expect(seen).toEqual([0]);
    proxy.up();
    await until('the rest', () => seen.length === 5);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  test('handle events again after others have removed them for their silence', async () => {
    const keyPrefix = newPrefix();
    const proxy = await CuttingProxy.start(url);
    const config = { keyPrefix, mode: 'streams', claimIdleMs } as const;
    const engine = await startEngine({ ...config, url: proxy.url });
    const seen: unknown[] = [];
    await engine.subscribe('work', ({ payload }) => void seen.push(payload), { group: 'workers' });
    for (let round = 1; round <= 5; round++) {
      proxy.down();
      const log = new LogLines();
      const other = await startEngine({ ...config, url }, log);
      await other.subscribe('work', () => {}, { group: 'workers' });
      await until('the removal', () => log.lines.some((line) => line.includes('silent')));
      await other.stop();
      proxy.up();
      await engine.publish({ topic: 'work', payload: round });
      await until('the event', () => seen.length === round);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  test('keep their events through an outage that was longer than a lease', async () => {
    const keyPrefix = newPrefix();
    const [proxy, ofOther, log] = [
      await CuttingProxy.start(url),
      await CuttingProxy.start(url),
      new LogLines(),
    ];
    // Longer than the pause before a connection is opened again.
    const config = { keyPrefix, mode: 'streams', claimIdleMs: 6000 } as const;
    const engine = await startEngine({ ...config, url: proxy.url }, log);
    const other = await startEngine({ ...config, url: ofOther.url }, log);
    const { handler, seen, letGo } = holding();
    await engine.subscribe('work', handler, { group: 'workers' });
    await engine.publish({ topic: 'work', payload: 1 });
    await until('the handler to run', () => seen.length === 1);
    await other.subscribe('work', handler, { group: 'workers' });
    await adminOf(url).xgroup('CREATECONSUMER', `${keyPrefix}work`, 'workers', 'dead');
    proxy.down();
    ofOther.down();
    const outage = performance.now() + config.claimIdleMs;
    await until('the leases to be over', () => performance.now() > outage);
    ofOther.up();
    await until('the other to be connected', async () => (await other.health()).status === 'up');
    proxy.up();
    const removals = (): string[] => log.lines.filter((line) => line.includes('silent'));
    await until('a search for dead consumers', () => removals().length > 0);
    letGo();
    expect(seen).toEqual([1]);
    expect(removals()).toEqual([expect.stringContaining('"consumers":["dead"]')]);
  });

  test('send heartbeats while there are no events', async () => {
    const keyPrefix = newPrefix();
    const { log } = await join(keyPrefix);
    const admin = adminOf(url);
    let [heard, last] = [0, 0];
    await until('three heartbeats', async () => {
      const [idle = 0] = (await idleOf(admin, `${keyPrefix}work`)).values();
      if (idle < last) heard++;
      last = idle;
      return heard >= 3;
    });
    expect(log.lines.filter((line) => line.includes('silent'))).toEqual([]);
  });
});
