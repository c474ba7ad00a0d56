import assert from 'node:assert/strict';
import type { SubscribeOptions, UnsupportedCapabilityError } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertTopics } from '../../support/subscriptions.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertCounts, countNames } from '../../support/stats.ts';

async function assertRefused(
  t: CaseContext,
  engine: Engine,
  option: string,
  options: SubscribeOptions,
): Promise<void> {
  for (const kind of ['subscribe', 'subscribeAsync'] as const) {
    const call = () => engine[kind](t.topic(), () => {}, options);
    const error = await rejectsWith(call, 'UNSUPPORTED_CAPABILITY', option);
    assert.equal((error as UnsupportedCapabilityError).option, option);
    assert.ok(
      error.engine !== undefined && error.message.includes(error.engine),
      `no engine in: ${error.message}`,
    );
    assert.match(error.message, /kafka/, 'names no engine that can');
  }
  assertTopics(engine, []);
}

/** The capabilities, counters and health of an engine. */
export const capabilityCases: readonly ConformanceCase[] = defineCases('capabilities', [
  {
    name: 'capabilities are booleans that are frozen, never change, and are equal on every engine of a factory',
    rules: [10],
    async run(t) {
      const engine = await t.engine();
      const { capabilities, type } = engine;
      const names = ['crossProcess', 'delay', 'durable', 'groups', 'partitioned', 'replay'];
      // An engine that was made for an earlier core has no capability `delay`.
      assert.deepEqual(Object.keys({ delay: false, ...capabilities }).sort(), names);
      assert.ok(Object.values(capabilities).every((value) => typeof value === 'boolean'));
      assert.ok(Object.isFrozen(capabilities));
      const before = { ...capabilities };
      await t.within(engine.start(), 'start to resolve');
      assert.deepEqual(engine.capabilities, before);
      await t.within(engine.stop(), 'stop to resolve');
      assert.deepEqual(engine.capabilities, before);
      assert.deepEqual((await t.engine()).capabilities, before);
      assert.equal(typeof type, 'string');
      assert.ok(type.length > 0);
    },
  },
  {
    name: 'an engine without the capability `groups` refuses the option `group` and names the option, the engine and engines that support it',
    rules: [10],
    needs: { groups: false },
    async run(t) {
      await assertRefused(t, await t.started(), 'group', { group: 'workers' });
    },
  },
  {
    name: 'an engine without the capability `replay` refuses the option `from` and names the option, the engine and engines that support it',
    rules: [10],
    needs: { replay: false },
    async run(t) {
      const engine = await t.started();
      await assertRefused(t, engine, 'from', { from: 'earliest' });
      await assertRefused(t, engine, 'from', { from: new Date() });
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, { from: 'latest' });
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
    },
  },
  {
    name: 'stats() returns a snapshot of every counter, and health() is up while the engine is started',
    rules: [7],
    async run(t) {
      const engine = await t.started();
      const before = engine.stats();
      assert.deepEqual(Object.keys(before).sort(), [...countNames].sort());
      assert.ok(Object.values(before).every((value) => value === 0));
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler);
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
      await t.eventually(() => engine.stats().delivered === 1, 'the delivery to be counted');
      assertCounts(engine, { published: 1 });
      assert.equal(before.published, 0, 'the object that stats() returned changes later');
      const { status, state, error } = await engine.health();
      assert.deepEqual({ status, state, error }, { status: 'up', state: 'started', error: undefined });
    },
  },
  {
    name: '`pending` counts queued events and events in running handlers',
    rules: [7],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record(() => gate.opened);
      await engine.subscribeAsync(t.topic(), seen.handler, { bufferSize: 100, concurrency: 2 });
      await t.publishNumbers(engine, t.topic(), 10);
      await seen.begins(2);
      await t.eventually(
        () => engine.stats().pending === 10,
        () => `10 pending: ${JSON.stringify(engine.stats())}`,
      );
      const { enqueued, running, deferred } = engine.stats();
      assert.deepEqual({ enqueued, running, deferred }, { enqueued: 10, running: 2, deferred: 0 });
      assertCounts(engine, { delivered: 0 });
      gate.open();
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assertCounts(engine, { delivered: 10 });
    },
  },
]);
