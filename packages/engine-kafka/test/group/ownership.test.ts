import { once } from 'node:events';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { ownKafka } from '../read/foreign.ts';
import { type Fixture, newName, startEngine, until, spawnMember } from '../support.ts';

type Said = { readonly begun?: number; readonly ended?: number; readonly did?: string };

function saidOf({ said }: Fixture, what: 'begun' | 'ended'): number[] {
  return said.flatMap((one) => (one as Said)[what] ?? []);
}

async function tell(member: Fixture, command: string): Promise<void> {
  member.say(command);
  await until(command, () => member.said.some((one) => (one as Said).did === command));
}

async function pass(ms: number): Promise<void> {
  const since = performance.now();
  await until(`${ms} ms to pass`, () => performance.now() - since > ms);
}

describeWithBroker('kafka', 'ownership of partitions', async () => {
  const { brokers } = await ownKafka();
  const config = { brokers, numPartitions: 2 };

  test.each([3_600_000, -3_600_000])(
    'survives a wall clock that is set by %i ms while handlers run: no event is handled twice or delayed',
    async (by) => {
      const [topic, group] = [newName(), newName('g')];
      const engine = await startEngine(config);
      await engine.publish({ topic, payload: -1 });
      const member = await spawnMember('gated-member', brokers.join(), topic, group);
      for (const n of [0, 1]) await engine.publish({ topic, payload: n, key: `key-${n}` });
      await until('both handlers to run', () => saidOf(member, 'begun').length === 2);
      await tell(member, `clock ${by}`);
      // Some heartbeats.
      await pass(1000);
      await tell(member, 'open');
      for (const n of [2, 3, 4, 5]) await engine.publish({ topic, payload: n, key: `key-${n % 2}` });
      await until('all events', () => saidOf(member, 'ended').length >= 6);
      await pass(500);
      expect(saidOf(member, 'begun').sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    },
  );

  test('expires for a member that is suspended longer than its session: it starts no event that others have by then', async () => {
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine(config);
    await engine.publish({ topic, payload: -1 });
    const member = await spawnMember('gated-member', brokers.join(), topic, group, '40');
    const count = 300;
    await Promise.all(
      Array.from({ length: count }, (_, n) => engine.publish({ topic, payload: n, key: `key-${n % 40}` })),
    );
    await until('some to be handled', () => saidOf(member, 'ended').length > 10);
    member.child.kill('SIGSTOP');
    const other: number[] = [];
    await engine.subscribeAsync<number>(topic, ({ payload }) => void other.push(payload), { group });
    await until(
      'the other to handle the rest',
      () => new Set([...other, ...saidOf(member, 'ended')]).size === count,
    );
    const before = saidOf(member, 'begun').length;
    member.child.kill('SIGCONT');
    // From here on, it delivers events as a member again.
    let next = count;
    await until('it to be back', async () => {
      await engine.publish({ topic, payload: next, key: `key-${next++}` });
      return saidOf(member, 'begun').some((n) => n >= count);
    });
    // The first it may have been about to begin when it was stopped: it looked whether it was a member before that.
    expect(
      saidOf(member, 'begun')
        .slice(before + 1)
        .filter((n) => other.includes(n)),
    ).toEqual([]);
    member.child.kill('SIGKILL');
    await once(member.child, 'exit');
  });
});
