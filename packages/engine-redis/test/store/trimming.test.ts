import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test, vi } from 'vitest';
import { LogLines, adminOf, newPrefix, spawnMember, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'trimming of streams', ({ url }) => {
  test('maxLen trims a stream, but no event that a group has not settled', async () => {
    const keyPrefix = newPrefix();
    const log = new LogLines();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', maxLen: 100 }, log);
    const admin = adminOf(url);
    const length = (): Promise<number> => admin.xlen(`${keyPrefix}trim`);
    const publish = async (count: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: count }, (_, n) => engine.publish({ topic: 'trim', payload: n })),
      );
    };
    await publish(2000);
    await until('the stream to be trimmed', async () => {
      await publish(100);
      return (await length()) <= 200;
    });
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    await engine.subscribe('trim', () => gate, { group: 'slow', bufferSize: 10_000 });
    await publish(1000);
    await until('a warning', () => log.lines.some((line) => line.includes('has not settled')));
    expect(await length()).toBeGreaterThanOrEqual(1000);
    expect((await engine.health()).details).toMatchObject({ heldStreams: ['trim'] });
    open();
    await until('everything to be settled', () => engine.stats().pending === 0);
    await until('the stream to be trimmed again', async () => {
      await publish(100);
      return (await length()) <= 300;
    });
  });

  test('the clock of a publisher does not affect what is trimmed', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', retentionDays: 1, maxLen: 400 });
    const now = Date.now.bind(Date);
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + 26 * 3_600_000);
    onTestFinished(() => clock.mockRestore());
    const numbers = Array.from({ length: 1000 }, (_, n) => n);
    await Promise.all(numbers.map((payload) => engine.publish({ topic: 'young', payload })));
    const length = (): Promise<number> => adminOf(url).xlen(`${keyPrefix}young`);
    await until('the stream to be trimmed', async () => (await length()) < 1000);
    await engine.stop();
    expect(await length()).toBeGreaterThanOrEqual(400);
  });

  test('a new topic is not trimmed before the groups with a matching pattern have handled it', async () => {
    const keyPrefix = newPrefix();
    const [reader, publisher] = [
      await startEngine({ url, keyPrefix, mode: 'streams' }),
      await startEngine({ url, keyPrefix, mode: 'streams', maxLen: 10 }),
    ];
    for (const [group, pattern] of Object.entries({
      new: 'new.*',
      all: '*',
      own: '_own.*',
      other: 'other.*',
    }))
      await (await reader.subscribe(pattern, () => {}, { group })).cancel();
    const numbers = Array.from({ length: 1000 }, (_, n) => n);
    const admin = adminOf(url);
    const groupsOf = async (topic: string): Promise<unknown[]> => {
      const infos = (await admin.xinfo('GROUPS', keyPrefix + topic)) as unknown[][];
      return infos.map(([, name]) => String(name)).toSorted();
    };
    for (const topic of ['new.topic', '_own.topic'])
      await Promise.all(numbers.map((payload) => publisher.publish({ topic, payload })));
    expect(await groupsOf('new.topic')).toEqual(['all', 'new']);
    expect(await groupsOf('_own.topic')).toEqual(['own']);
    await until('a trim', async () => {
      for (const topic of ['new.topic', '_own.topic']) await publisher.publish({ topic, payload: -1 });
      return ((await publisher.health()).details as { heldStreams: string[] }).heldStreams.length === 2;
    });
    const seen = new Set<unknown>();
    await reader.subscribe('new.*', ({ payload }) => void seen.add(payload), { group: 'new' });
    await until('every event', () => numbers.every((n) => seen.has(n)));
  });

  test('a subscription without a group reports events that were trimmed too early; a replay from the earliest event does not', async () => {
    const keyPrefix = newPrefix();
    const log = new LogLines();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams' }, log);
    const publisher = await startEngine({ url, keyPrefix, mode: 'streams', maxLen: 10 });
    const missed = (): string[] => log.lines.filter((line) => line.includes('may have been missed'));
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const seen: unknown[] = [];
    const slow = async ({ payload }: { payload: unknown }): Promise<void> => {
      seen.push(payload);
      await gate;
    };
    await engine.subscribe('behind', slow, { bufferSize: 5 });
    const admin = adminOf(url);
    let last = 0;
    await until('a trim', async () => {
      await Promise.all(
        Array.from({ length: 100 }, () => publisher.publish({ topic: 'behind', payload: ++last })),
      );
      return last > 500 && (await admin.xlen(`${keyPrefix}behind`)) < 200;
    });
    const replayed: unknown[] = [];
    await engine.subscribe('behind', ({ payload }) => void replayed.push(payload), { from: 'earliest' });
    await until('the replay', () => replayed.includes(last));
    expect(missed()).toEqual([]);
    open();
    await until('the last event', () => seen.includes(last));
    expect(seen.length).toBeLessThan(last);
    expect(missed()).toHaveLength(1);
    expect(missed()[0]).toContain('trimmed before this subscription received them');
  });

  test('a subscription without a group reports events that were trimmed while its process was suspended', async () => {
    const keyPrefix = newPrefix();
    const publisher = await startEngine({ url, keyPrefix, mode: 'streams', maxLen: 10 });
    const { child, said } = await spawnMember('plain', url, keyPrefix);
    await publisher.publish({ topic: 'work', payload: 0 });
    await until('the first event', () => said.includes(0));
    child.kill('SIGSTOP');
    const frozenAt = performance.now();
    const admin = adminOf(url);
    let last = 0;
    await until('a trim', async () => {
      await Promise.all(
        Array.from({ length: 100 }, () => publisher.publish({ topic: 'work', payload: ++last })),
      );
      // For long enough that the process notices it.
      const isLong = performance.now() > frozenAt + 1000;
      return isLong && last > 500 && (await admin.xlen(`${keyPrefix}work`)) < 200;
    });
    child.kill('SIGCONT');
    await until('the last event', () => said.includes(last));
    expect(said.filter((line) => typeof line === 'number').length).toBeLessThan(last);
    await until('the report', () => JSON.stringify(said).includes('may have been missed'));
  });

  test('a group gets topics that match its pattern and were created while it had no members', async () => {
    const config = { url, keyPrefix: newPrefix(), mode: 'streams' } as const;
    const [engine, other] = [await startEngine(config), await startEngine(config)];
    await (await engine.subscribe('order.*', () => {}, { group: 'g' })).cancel();
    await other.publish({ topic: 'order.placed', payload: 1 });
    const seen: unknown[] = [];
    await engine.subscribe('order.*', ({ payload }) => void seen.push(payload), { group: 'g' });
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual([1]);
  });
});
