import assert from 'node:assert/strict';
import type { ConformanceCase } from '../../conformance-case.ts';
import type { Handling } from '../../processes/history.ts';
import { roomy } from '../../support/subscriptions.ts';
import { defineProcessCases } from './define.ts';
import { Flow } from './flow.ts';

const needs = { crossProcess: true, durable: true, groups: true } as const;

/** Group members whose process is killed, stopped or frozen. */
export const killedAndFrozenMemberCases: readonly ConformanceCase[] = defineProcessCases('process-failures', [
  {
    name: 'if a member is killed, another member begins its running event within `takeoverWithinMs`, none is lost, and keys stay in order',
    rules: [3, 4, 5, 16],
    needs,
    async run(t) {
      const { takeoverWithinMs, attemptsCount } = t;
      const [killed, other] = await Promise.all([t.process(), t.process()]);
      // Events of other keys are settled, although they come after the held event.
      await killed.setHandlers('hold one key');
      const options = { ...roomy, group: t.group(), concurrency: 4 };
      await killed.subscribeAsync(t.topic(), options);
      await other.subscribeAsync(t.topic(), options);
      // So many that the key of the held event shares its partition with others, of which later events are settled.
      const flow = new Flow(t, await t.started(), { keys: 32 });
      await flow.publishUntil(() => killed.running.length > 0, 'process 1 to begin an event');
      await flow.publish(64);
      const [{ payload, key }] = killed.running as [Handling];
      await t.eventually(
        () => flow.missing(key).length === 0,
        () =>
          `all events but those behind event ${payload} to be handled; missing ${flow.missing(key).join(', ')}`,
      );
      await killed.answer();
      await killed.kill();
      const again = (): Handling | undefined => other.begun.find((one) => one.payload === payload);
      await t.eventually(
        () => again() !== undefined,
        `process 2 to begin event ${payload}, in whose handler process 1 was killed`,
        takeoverWithinMs,
      );
      const expected = attemptsCount === 'after-kill' ? 2 : 1;
      const got = again()!.attempt;
      const why = `process 1 was killed in attempt 1, and the option attemptsCount is "${attemptsCount}"`;
      assert.equal(got, expected, `expected attempt ${expected} in process 2, got ${got}: ${why}`);
      await flow.isHandledOnce();
    },
  },
  {
    name: 'if a member stops on SIGTERM under load, the group handles every event once, and keys stay in order',
    rules: [3, 5, 8],
    needs,
    async run(t) {
      const [leaving, staying] = await Promise.all([t.process(), t.process()]);
      const options = { group: t.group(), concurrency: 4, bufferSize: 20 };
      await leaving.subscribeAsync(t.topic(), options);
      await staying.subscribeAsync(t.topic(), options);
      const flow = new Flow(t, await t.started());
      await flow.publishUntil(() => leaving.begun.length > 0, 'process 1 to begin an event');
      const publishing = [flow.publish(100)];
      const stopping = leaving.stop();
      publishing.push(flow.publish(100));
      await Promise.all([...publishing, stopping]);
      await flow.isHandledOnce();
    },
  },
  {
    name: 'an event whose attempt failed at a stopped member has the attempt number at the next member that the engine declares',
    rules: [5, 6],
    needs,
    async run(t) {
      const { attemptsCount } = t;
      const [leaving, next] = await Promise.all([t.process(), t.process()]);
      const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
      const options = { group: t.group(), retry: { attempts: 3, backoff } };
      await leaving.setHandlers('throw');
      await leaving.subscribe(t.topic(), options);
      await t.publish(await t.started(), t.topic(), 1, { key: 'one' });
      await t.eventually(() => leaving.begun.some(({ failed }) => failed), 'process 1 to fail at the event');
      await leaving.answer();
      await leaving.stop();
      await next.subscribe(t.topic(), options);
      await t.eventually(
        () => next.begun.length > 0,
        'process 2 to begin the event that failed in process 1',
      );
      const expected = attemptsCount === 'never' ? 1 : 2;
      const why = `attempt 1 failed in process 1 before it stopped, and the option attemptsCount is "${attemptsCount}"`;
      const got = next.begun[0]!.attempt;
      assert.equal(got, expected, `expected attempt ${expected} in process 2, got ${got}: ${why}`);
    },
  },
  {
    name: 'a member that was frozen for longer than its lease begins no event that another member has',
    rules: [5, 15],
    needs,
    async run(t) {
      const { takeoverWithinMs } = t;
      const [frozen, other] = await Promise.all([t.process(), t.process()]);
      const options = { group: t.group(), concurrency: 2, bufferSize: 50 };
      await frozen.setHandlers('hold');
      await frozen.subscribeAsync(t.topic(), options);
      await other.subscribeAsync(t.topic(), options);
      const flow = new Flow(t, await t.started());
      await flow.publishUntil(() => frozen.running.length > 0, 'process 1 to begin an event');
      // Most of them wait in the buffer of the member that is frozen.
      await flow.publish(64);
      await frozen.answer();
      const held = frozen.running.map(({ payload }) => payload);
      frozen.freeze();
      const left = (): number[] => flow.missing();
      await t.eventually(
        () => left().length === 0,
        () =>
          `process 2 to handle everything while process 1 is frozen in the handlers of ${held.join(', ')}; missing ${left().join(', ')}`,
        takeoverWithinMs + t.deadlineMs,
      );
      // Now the other member is in handlers of events on the keys that the frozen member has in its buffer.
      await other.setHandlers('hold');
      await flow.publish();
      await t.eventually(
        () => other.running.length > 0,
        'process 2 to begin an event while process 1 is frozen',
      );
      frozen.thaw();
      await frozen.setHandlers('end');
      await frozen.answer();
      await other.setHandlers('end');
      await flow.isHandledOnce();
    },
  },
]);
