import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'the lag of groups', ({ url }) => {
  test('counts waiting and unacknowledged events, for each topic and group', async () => {
    const engine = await startEngine({ url, mode: 'streams', keyPrefix: newPrefix() });
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    await engine.subscribe('lag.*', () => gate, { group: 'slow', bufferSize: 5 });
    await engine.subscribe('lag.b', () => {}, { group: 'fast' });
    await engine.subscribe('lag.*', () => {});
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    for (const topic of ['lag.a', 'lag.b'])
      await Promise.all(numbers.map((payload) => engine.publish({ topic, payload })));
    const lags = async (): Promise<Record<string, number | undefined>> =>
      Object.fromEntries(
        (await engine.lag!()).map(({ topic, group, events }) => [`${topic} ${group}`, events]),
      );
    await until('the fast one to have handled all', async () => (await lags())['lag.b fast'] === 0);
    // More than the buffer holds was never read, and none of it is acknowledged: both count.
    expect(await lags()).toEqual({ 'lag.a slow': 100, 'lag.b slow': 100, 'lag.b fast': 0 });
    open();
    await until('nothing to be behind', async () =>
      Object.values(await lags()).every((events) => events === 0),
    );
  });

  test('is counted if the server does not know it because an entry was deleted', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, mode: 'streams', keyPrefix });
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    await engine.subscribe('work', () => gate, { group: 'g', bufferSize: 1 });
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    await Promise.all(numbers.map((payload) => engine.publish({ topic: 'work', payload })));
    const admin = adminOf(url);
    const entries = await admin.xrange(`${keyPrefix}work`, '-', '+');
    await admin.xdel(`${keyPrefix}work`, entries[25]?.[0] ?? '');
    expect(await engine.lag!()).toEqual([{ topic: 'work', group: 'g', events: 49 }]);
    open();
    await until('nothing to be behind', async () => (await engine.lag!())[0]?.events === 0);
  });

  test('is a typed error that names the topic if the server returns another answer', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, mode: 'streams', keyPrefix });
    await engine.subscribe('work', () => {}, { group: 'g' });
    await adminOf(url).set(`${keyPrefix}work`, 'no stream');
    await expect(engine.lag!()).rejects.toMatchObject({
      code: 'COMMAND_FAILED',
      topic: 'work',
      message: expect.stringContaining('WRONGTYPE'),
    });
  });

  test('is empty on Pub/Sub, which stores nothing', async () => {
    const engine = await startEngine({ url, keyPrefix: newPrefix() });
    await engine.subscribe('a', () => {});
    expect(await engine.lag!()).toEqual([]);
  });
});
