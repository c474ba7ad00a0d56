import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { LogLines, adminOf, newName, spawnMember, startEngine, until } from '../support.ts';

/*
 * Delayed events, which wait in topics and are published by a group.
 */
describeWithBroker('kafka', 'delayed events', ({ brokers }) => {
  const config = (delayedTopics: string) => ({ brokers: [...brokers], delayedTopics });

  test('each event is published once while an engine joins and another stops', async () => {
    const [topic, delayedTopics] = [newName(), `_${newName()}`];
    const [publisher, leaving] = [
      await startEngine(config(delayedTopics)),
      await startEngine(config(delayedTopics)),
    ];
    const counts = new Map<unknown, number>();
    await publisher.subscribe(topic, ({ payload }) => {
      counts.set(payload, (counts.get(payload) ?? 0) + 1);
    });
    for (let n = 0; n < 300; n++) {
      const engine = n % 2 === 0 ? publisher : leaving;
      await engine.publish({ topic, payload: n, key: `k${n % 7}` }, { delayMs: 10 * n });
    }
    await startEngine(config(delayedTopics));
    await leaving.stop();
    await until('every event', () => counts.size === 300);
    await publisher.publish({ topic, payload: 'end' }, { delayMs: 200 });
    await until('the last event', () => counts.has('end'));
    expect([...counts].filter(([, count]) => count > 1)).toEqual([]);
  });

  test('an event of a process that was killed is published by another process, which was there before', async () => {
    const [topic, delayedTopics] = [newName(), `_${newName()}`];
    const engine = await startEngine(config(delayedTopics));
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    const publisher = await spawnMember('delaying-publisher', brokers.join(), topic, delayedTopics);
    publisher.child.kill('SIGKILL');
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual(['delayed']);
  });

  test('an engine without delayed events creates no topic and joins no group for them', async () => {
    const [topic, delayedTopics] = [newName(), `_${newName()}`];
    const engine = await startEngine(config(delayedTopics));
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    await engine.publish({ topic, payload: 1 });
    await until('the event', () => seen.length === 1);
    expect((await engine.health()).details).toEqual({ groups: [] });
    const admin = await adminOf(brokers);
    expect((await admin.listTopics()).filter((name) => name.startsWith(delayedTopics))).toEqual([]);
  });

  test('lag() counts the events that wait, and health() does not report them as stalled', async () => {
    const [topic, delayedTopics] = [newName(), `_${newName()}`];
    const log = new LogLines();
    const engine = await startEngine({ ...config(delayedTopics), stallLimitMs: 1000 }, log);
    for (let n = 0; n < 3; n++) await engine.publish({ topic, payload: n }, { delayMs: 3_600_000 });
    const waiting = async (): Promise<number> =>
      (await engine.lag!())
        .filter((one) => one.topic.startsWith(delayedTopics))
        .reduce((sum, { events = 0 }) => sum + events, 0);
    await until('the events to be counted', async () => (await waiting()) === 3);
    // An event that waits for a shorter time than the delayed events when health() reports it.
    const running = new Promise<void>((resolve) => onTestFinished(() => resolve()));
    await engine.subscribe(topic, () => running);
    await engine.publish({ topic, payload: 'running' });
    await engine.publish({ topic, payload: 'behind it' });
    await until(
      'the event behind the running handler to be reported',
      async () => (await engine.health()).error?.includes(topic) === true,
    );
    expect((await engine.health()).error).not.toContain(delayedTopics);
    expect(await waiting()).toBe(3);
    expect(log.warnings).toEqual([expect.stringContaining(`"${topic}" has made no progress`)]);
  });
});
