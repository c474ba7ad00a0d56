import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { LogLines, adminOf, newPrefix, startEngine, until } from '../support.ts';

/*
 * Delayed events in mode `streams`.
 */
describeWithBroker('redis', 'delayed events', ({ url }) => {
  const config = { url, mode: 'streams' } as const;

  test('five engines move each of 500 events into its stream once', async () => {
    const keyPrefix = newPrefix();
    const engines = await Promise.all(Array.from({ length: 5 }, () => startEngine({ ...config, keyPrefix })));
    const admin = adminOf(url);
    await Promise.all(
      Array.from({ length: 500 }, (_, n) =>
        engines[n % 5]!.publish({ topic: 'moved', payload: n }, { delayMs: 100 + (n % 50) }),
      ),
    );
    await until('every event to be moved', async () => (await admin.zcard(`${keyPrefix}:delayed`)) === 0);
    expect(await admin.xlen(`${keyPrefix}moved`)).toBe(500);
  });

  test('an event of an engine that has stopped is moved by an engine that was started before', async () => {
    const keyPrefix = newPrefix();
    const [publisher, other] = [
      await startEngine({ ...config, keyPrefix }),
      await startEngine({ ...config, keyPrefix }),
    ];
    const seen: unknown[] = [];
    await other.subscribe('left.*', ({ payload }) => void seen.push(payload));
    await publisher.publish({ topic: 'left.behind', payload: 1 }, { delayMs: 500 });
    await publisher.stop();
    await until('the event', () => seen.length === 1);
  });

  test('a stream that cannot be written holds back no other event, and is reported once', async () => {
    const keyPrefix = newPrefix();
    const log = new LogLines();
    const engine = await startEngine({ ...config, keyPrefix }, log);
    const admin = adminOf(url);
    await admin.set(`${keyPrefix}broken`, 'not a stream');
    const seen: unknown[] = [];
    await engine.subscribe('whole', ({ payload }) => void seen.push(payload));
    await engine.publish({ topic: 'broken', payload: 1 }, { delayMs: 20 });
    await engine.publish({ topic: 'whole', payload: 2 }, { delayMs: 40 });
    await until('the other event', () => seen.length === 1);
    const dueAt = async (): Promise<string | undefined> =>
      (await admin.zrange(`${keyPrefix}:delayed`, '0', '0', 'WITHSCORES'))[1];
    const first = await dueAt();
    await until('the event to be tried again', async () => (await dueAt()) !== first);
    expect(log.warnings).toEqual([
      expect.stringMatching(/could not be published.*"broken","error":"WRONGTYPE/),
    ]);
    await admin.del(`${keyPrefix}broken`);
    await until('the event to be moved', async () => (await admin.zcard(`${keyPrefix}:delayed`)) === 0);
    expect(await admin.xlen(`${keyPrefix}broken`)).toBe(1);
  });

  test('health() and lag() report how many events wait', async () => {
    const engine = await startEngine({ ...config, keyPrefix: newPrefix() });
    await Promise.all(
      Array.from({ length: 3 }, () => engine.publish({ topic: 'waits', payload: 1 }, { delayMs: 3_600_000 })),
    );
    await until('the events to be counted', async () => (await engine.health()).details?.['delayed'] === 3);
    expect(await engine.lag!()).toEqual([{ topic: '_delayed', events: 3 }]);
  });

  test('a delay that is longer than a timer lasts causes no warning of Node.js', async () => {
    const warnings: string[] = [];
    const onWarning = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    const engine = await startEngine({ ...config, keyPrefix: newPrefix() });
    const counts = new Set<unknown>();
    // While the engine looks for due events, no timer of it runs.
    await until('the engine to look for due events several times', async () => {
      await Promise.all(
        Array.from({ length: 20 }, () =>
          engine.publish({ topic: 'far', payload: 1 }, { delayMs: 40 * 24 * 3_600_000 }),
        ),
      );
      return counts.add((await engine.health()).details?.['delayed']).size > 3;
    });
    expect(warnings.filter((text) => text.includes('Timeout'))).toEqual([]);
  });
});
