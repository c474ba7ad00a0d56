import { once } from 'node:events';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newPrefix, spawnMember, startEngine, until } from '../support.ts';

/** The output of a member in another process for an event. */
interface Said {
  readonly began?: number;
  readonly ended?: number;
  readonly key: string;
  readonly at: number;
}

// Longer than a busy machine keeps a process that is not stopped from running.
const claimIdleMs = 3000;
const keys = 100;

describeWithBroker('redis', 'a group member that stops answering', ({ url }) => {
  test('and has died is detected although its keys get events all the time', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', claimIdleMs });
    const dying = await spawnMember('member', url, keyPrefix, `${claimIdleMs}`, 'for ever');
    const publish = (n: number): Promise<void> =>
      engine.publish({ topic: 'work', payload: n, key: `key-${n % keys}` });
    let published = 0;
    while (published < keys) await publish(published++);
    await until('it to be in its handlers', () => dying.said.length === 5);
    const byKey = new Map<string, number[]>();
    let seen = 0;
    await engine.subscribeAsync<number>(
      'work',
      ({ payload, key }) => {
        seen++;
        byKey.set(key!, [...(byKey.get(key!) ?? []), payload]);
      },
      { group: 'workers' },
    );
    dying.child.kill('SIGKILL');
    await once(dying.child, 'exit');
    // The traffic ends only when all that the dead one had is handled.
    await until('what it had to be handled while its keys get events', async () => {
      await publish(published++);
      return byKey.size === keys;
    });
    await until('all events', () => seen === published);
    for (const numbers of byKey.values()) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  test('and continues later starts no event that another member has by then', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams', claimIdleMs });
    const args = [url, keyPrefix, `${claimIdleMs}`, '10'];
    const members = await Promise.all([spawnMember('member', ...args), spawnMember('member', ...args)]);
    const saidBy = (member: { said: readonly unknown[] }): Said[] =>
      member.said.filter((one): one is Said => typeof one === 'object');
    const ended = (): Set<number | undefined> =>
      new Set(members.flatMap((one) => saidBy(one).map((said) => said.ended)));
    let published = 0;
    const publish = async (count: number): Promise<void> => {
      const numbers = Array.from({ length: count }, () => published++);
      await Promise.all(
        numbers.map((n) => engine.publish({ topic: 'work', payload: n, key: `key-${n % 16}` })),
      );
    };
    const all = (): boolean => ended().size > published;
    await publish(400);
    // Whichever has read the most.
    await until('one to have begun some', () => members.some((one) => saidBy(one).length > 20));
    const [frozen, other] = members.toSorted((a, b) => b.said.length - a.said.length) as typeof members;
    frozen.child.kill('SIGSTOP');
    const admin = adminOf(url);
    await until('the other to have settled all', async () => {
      const [pending] = (await admin.xpending(`${keyPrefix}work`, 'workers')) as [number];
      return pending === 0 && all();
    });
    // Its keys are the other's now, and get more than that one handles at once.
    await publish(200);
    const thawedAt = Number(process.hrtime.bigint() / 1000n) / 1000;
    frozen.child.kill('SIGCONT');
    await until('all events', all);
    await until('the thawed one to get some again', async () => {
      await publish(1);
      return saidBy(frozen).some(({ began = 0 }) => began >= 600);
    });
    await until('all events', all);
    const [late, others] = [saidBy(frozen).filter(({ at }) => at >= thawedAt), saidBy(other)];
    // It may have been stopped in the middle of the step that begins an event, and then says so when it goes on. No other
    // is in that step.
    if (late[0]?.began !== undefined) late.shift();
    const begunByOther = new Set(others.flatMap(({ began }) => began ?? []));
    const twice = late.filter(({ began }) => began !== undefined && begunByOther.has(began));
    expect(twice).toEqual([]);
    // Of each key, what one has begun has ended before another begins.
    const begunLate = late.filter(({ began }) => began !== undefined);
    for (const { key, at, began } of begunLate) {
      const before = others.filter((one) => one.key === key && one.at <= at);
      const open = before.filter((one) => one.began !== undefined).length;
      expect({ began, open: open - before.filter((one) => one.ended !== undefined).length }).toEqual({
        began,
        open: 0,
      });
    }
  });
});
