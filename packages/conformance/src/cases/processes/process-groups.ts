import type { ConformanceCase } from '../../conformance-case.ts';
import { assertOrder } from '../../support/arrivals.ts';
import type { EngineProcess } from '../../processes/engine-process.ts';
import { defineProcessCases } from './define.ts';
import { Flow } from './flow.ts';

const needs = { crossProcess: true, durable: true, groups: true } as const;

/** The environment variable that says how many members come and go. */
const membersVariable = 'POLYBUS_MEMBERS';
const memberCount = membersToCome();
/** How many of them are in the group at a time. */
const membersAtOnce = 2;

/** Groups whose members are in several processes. */
export const processGroupCases: readonly ConformanceCase[] = defineProcessCases('process-groups', [
  {
    name: 'a group handles a burst while members in other processes join: every event once, and keys stay in order',
    rules: [3, 5],
    needs,
    async run(t) {
      const [first, ...joining] = await Promise.all([t.process(), t.process(), t.process()]);
      const options = { group: t.group(), concurrency: 4, bufferSize: 50 };
      await first.subscribeAsync(t.topic(), options);
      const flow = new Flow(t, await t.started(), { keys: 16 });
      const publishing = [flow.publish(200)];
      const joined = joining.map((one) => one.subscribeAsync(t.topic(), options));
      publishing.push(flow.publish(200));
      await Promise.all([...publishing, ...joined]);
      await flow.isHandledOnce();
    },
  },
  {
    name: 'members on topics and patterns in several processes share the events, and a pattern that is added later repeats none',
    rules: [2, 5],
    needs: { ...needs, replay: true },
    async run(t) {
      const patterns = [['order.*', 'user.created'], ['order.placed', 'user.*'], ['*']].map((some) =>
        some.map((pattern) => t.topic(pattern)),
      );
      const [first, second, later] = await Promise.all([t.process(), t.process(), t.process()]);
      const options = { group: t.group(), concurrency: 4, bufferSize: 50, from: 'earliest' } as const;
      for (const pattern of patterns[0]!) await first.subscribeAsync(pattern, options);
      for (const pattern of patterns[1]!) await second.subscribeAsync(pattern, options);
      const topics = ['order.placed', 'order.paid', 'user.created', 'user.gone'].map((topic) =>
        t.topic(topic),
      );
      const flow = new Flow(t, await t.started(), { topics, keys: 4 });
      await flow.publish(24);
      await flow.arrives();
      for (const pattern of patterns[2]!) await later.subscribeAsync(pattern, options);
      await flow.isHandledOnce();
      const strangers = (one: EngineProcess, prefixes: readonly string[]): string[] =>
        one.begun
          .map(({ topic }) => topic)
          .filter((topic) => !prefixes.some((prefix) => topic.startsWith(t.topic(prefix))));
      assertOrder(
        strangers(first, ['order.', 'user.created']),
        [],
        'process 1',
        'of topics that it did not subscribe to ',
      );
      assertOrder(
        strangers(second, ['order.placed', 'user.']),
        [],
        'process 2',
        'of topics that it did not subscribe to ',
      );
      await t.publish(await t.started(), t.topic('invoice.sent'), -1);
      await t.eventually(
        () => t.history.missing([-1]).length === 0,
        'the event of a topic that is new to be handled',
      );
    },
  },
  {
    name: 'a group loses no event and keeps order per key while members in child processes come, stop and are killed',
    rules: [3, 4, 5, 16],
    needs,
    // Each member starts, and every fourth is killed, after which the others wait for its lease to end.
    deadlines: 6 + memberCount,
    async run(t) {
      const { takeoverWithinMs } = t;
      const options = { group: t.group(), concurrency: 4, bufferSize: 20 };
      const flow = new Flow(t, await t.started());
      const members: EngineProcess[] = [];
      for (let n = 0; n < memberCount; n++) {
        const member = await t.process();
        await member.subscribeAsync(t.topic(), options);
        members.push(member);
        const before = t.history.handlings.length;
        await flow.publishUntil(
          () => t.history.handlings.length >= before + 16,
          'the group to handle 16 more events',
        );
        if (members.length < membersAtOnce) continue;
        const leaving = members.shift()!;
        const isKilled = n % 4 === 3;
        if (isKilled) {
          await leaving.setHandlers('hold');
          await flow.publishUntil(
            () => leaving.running.length > 0,
            `process ${leaving.number} to begin an event`,
          );
        }
        const publishing = flow.publish(32);
        await (isKilled ? leaving.kill() : leaving.stop());
        await publishing;
      }
      await flow.arrives(takeoverWithinMs + t.deadlineMs);
      await flow.isHandledOnce();
    },
  },
]);

function membersToCome(): number {
  const text = process.env[membersVariable] ?? '6';
  const count = Number(text);
  if (Number.isInteger(count) && count >= 4) return count;
  throw new RangeError(
    `Invalid ${membersVariable}: expected the number of members, an integer of at least 4, got "${text}"`,
  );
}
