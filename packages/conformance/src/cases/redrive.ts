import assert from 'node:assert/strict';
import { type TypedEventBus, createEventBus } from '@polybus/core';
import type { CaseContext } from '../case-context.ts';
import { type ConformanceCase, defineCases } from '../conformance-case.ts';
import type { Recorder } from '../recorder.ts';
import { roomy } from '../subscriptions.ts';

const needs = { groups: true, replay: true } as const;

interface Failing {
  readonly bus: TypedEventBus<Record<string, unknown>>;
  /** What the group that fails has handled since it works. */
  readonly billing: Recorder<number>;
  readonly shipping: Recorder<number>;
  works: boolean;
  fail(from: number, count: number): Promise<void>;
}

/** Two groups on one topic of a bus over the engine; one of them fails until told otherwise. */
async function failing(t: CaseContext): Promise<Failing> {
  const bus = createEventBus({ engines: [{ name: 'own', engine: await t.engine() }] });
  await t.within(bus.start(), 'start to resolve');
  const [billing, shipping] = [t.record<number>(), t.record<number>()];
  const state: Failing = {
    bus,
    billing,
    shipping,
    works: false,
    async fail(from, count) {
      state.works = false;
      for (let n = from; n < from + count; n++)
        await t.within(
          bus.publish(t.topic(), n, { id: `${t.id}-${n}`, metadata: { n } }),
          'publish to resolve',
        );
      await t.eventually(() => bus.stats().deadLettered >= from + count, `dead letter ${from + count}`);
      state.works = true;
    },
  };
  const options = { ...roomy, retry: false, deadLetter: true } as const;
  await bus.subscribe(
    t.topic(),
    (event, context) => {
      if (!state.works) throw new Error('card service down');
      return billing.handler(event as never, context);
    },
    { ...options, group: t.group('billing') },
  );
  await bus.subscribe(t.topic(), shipping.handler as never, { ...options, group: t.group('shipping') });
  return state;
}

/** Dead letters that go back to their topic. */
export const redriveCases: readonly ConformanceCase[] = defineCases('redrive', [
  {
    name: 'publishes dead letters back as they were, once each, and only the group that failed handles them again',
    rules: [5, 6],
    needs,
    async run(t) {
      const state = await failing(t);
      await state.fail(0, 3);
      const all = { limit: 3, idleMs: t.deadlineMs };
      assert.deepEqual(await t.within(state.bus.redrive(t.topic(), all), 'redrive to resolve'), {
        redriven: 3,
        kept: 0,
      });
      await state.billing.ends(3);
      state.billing.assertPayloads([0, 1, 2]);
      assert.deepEqual(
        state.billing.events.map(({ id, metadata }) => [id, metadata]),
        state.billing.payloads.map((n) => [`${t.id}-${n}`, { n }]),
      );
      await state.fail(3, 1);
      const next = { limit: 1, idleMs: t.deadlineMs };
      await t.within(state.bus.redrive(t.topic(), next), 'redrive to resolve');
      await state.billing.ends(4);
      state.billing.assertPayloads([0, 1, 2, 3]);
      await state.shipping.ends(4);
      state.shipping.assertPayloads([0, 1, 2, 3]);
    },
  },
  {
    name: 'leaves what is filtered out for a later time, and ends when it has seen all',
    rules: [6],
    needs,
    async run(t) {
      const state = await failing(t);
      await state.fail(0, 4);
      const idleMs = t.deadlineMs;
      const filter = ({ payload }: { readonly payload: unknown }): boolean => (payload as number) % 2 === 0;
      const even = await t.within(state.bus.redrive(t.topic(), { idleMs, filter }), 'redrive to resolve');
      assert.deepEqual(even, { redriven: 2, kept: 2 });
      const rest = state.bus.redrive(t.topic(), { idleMs, limit: 2 });
      assert.deepEqual(await t.within(rest, 'redrive to resolve'), { redriven: 2, kept: 0 });
      await state.billing.ends(4);
      state.billing.assertPayloads([0, 1, 2, 3]);
    },
  },
]);
