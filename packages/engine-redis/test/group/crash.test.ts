import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newPrefix, spawnMember, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'when a consumer is killed', ({ url }) => {
  /** A consumer in a separate process, and the events that it has begun so far. */
  async function spawnConsumer(
    prefix: string,
  ): Promise<{ child: ChildProcess; began: { attempt: number }[] }> {
    const { child, said } = await spawnMember('hung-consumer', url, prefix);
    return {
      child,
      get began() {
        return said.filter((one): one is { attempt: number } => typeof one === 'object');
      },
    };
  }

  test('events of its running handlers go to other members, in order and without loss', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', claimIdleMs: 300 });
    const consumer = await spawnConsumer(keyPrefix);
    for (let n = 0; n < 30; n++) await engine.publish({ topic: 'work', payload: n, key: `key-${n % 4}` });
    await until('the child to be in three handlers', () => consumer.began.length === 3);
    const byKey = new Map<string, number[]>();
    const seen = new Set<number>();
    await engine.subscribeAsync<number>(
      'work',
      ({ payload, key }) => {
        seen.add(payload);
        byKey.set(key!, [...(byKey.get(key!) ?? []), payload]);
      },
      { group: 'workers' },
    );
    consumer.child.kill('SIGKILL');
    await once(consumer.child, 'exit');
    for (let n = 30; n < 40; n++) await engine.publish({ topic: 'work', payload: n, key: `key-${n % 4}` });
    await until('all events', () => seen.size === 40);
    for (const numbers of byKey.values()) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const admin = adminOf(url);
    await until('nothing to be pending, and the dead consumer to be gone', async () => {
      const [count] = (await admin.xpending(`${keyPrefix}work`, 'workers')) as [number];
      const consumers = (await admin.xinfo('CONSUMERS', `${keyPrefix}work`, 'workers')) as [string, string][];
      return count === 0 && consumers.filter(([, name]) => name !== '_left').length === 1;
    });
  });

  test('an event whose handler kills the process each time becomes a dead letter', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', claimIdleMs: 300 });
    // A group must be there before, or the first consumer would not get the event.
    await (await engine.subscribe('work', () => {}, { group: 'workers' })).cancel();
    await engine.publish({ topic: 'work', payload: 'poison' });
    const admin = adminOf(url);
    // The group counts an entry once for being read, and once for each attempt.
    const recorded = (attempt: number): Promise<void> =>
      until('the attempt to be recorded', async () => {
        const [entry] = (await admin.xpending(`${keyPrefix}work`, 'workers', '-', '+', 1)) as [
          [string, string, number, number],
        ];
        return entry[3] === attempt + 1;
      });
    for (const attempt of [1, 2, 3]) {
      const consumer = await spawnConsumer(keyPrefix);
      await until('the child to be in its handler', () => consumer.began.length === 1);
      expect(consumer.began).toEqual([{ payload: 'poison', attempt }]);
      await recorded(attempt);
      consumer.child.kill('SIGKILL');
      await once(consumer.child, 'exit');
    }
    const dead: unknown[] = [];
    await engine.subscribe('_dead.work', ({ payload }) => void dead.push(payload));
    await engine.subscribe('work', () => expect.unreachable('it was handled again'), {
      group: 'workers',
      retry: { attempts: 3 },
    });
    await until('the dead letter', () => dead.length === 1);
    expect(dead).toEqual(['poison']);
  });

  test('events that it had read but not started lose no attempt', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', claimIdleMs: 300 });
    await (await engine.subscribe('work', () => {}, { group: 'workers' })).cancel();
    // Two keys: the key of the poison event, and a key of events that wait behind it in a consumer that handles three events at once.
    for (let n = 0; n < 20; n++) await engine.publish({ topic: 'work', payload: n, key: `key-${n % 2}` });
    for (let round = 0; round < 3; round++) {
      const consumer = await spawnConsumer(keyPrefix);
      await until('the child to be in two handlers', () => consumer.began.length === 2);
      consumer.child.kill('SIGKILL');
      await once(consumer.child, 'exit');
    }
    const attempts = new Map<number, number>();
    await engine.subscribe<number>(
      'work',
      ({ payload }, { attempt }) => void attempts.set(payload, attempt),
      {
        group: 'workers',
      },
    );
    await until('all events', () => attempts.size === 20);
    const begunBefore = [...attempts].filter(([, attempt]) => attempt > 1).map(([payload]) => payload);
    expect(begunBefore.toSorted((a, b) => a - b)).toEqual([0, 1]);
  });
});
