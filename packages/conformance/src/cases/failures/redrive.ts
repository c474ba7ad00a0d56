import assert from 'node:assert/strict';
import { type RedriveOptions, type RedriveResult, type TypedEventBus, createEventBus } from '@polybus/core';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import type { Recorder } from '../../support/recorder.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { roomy } from '../../support/subscriptions.ts';

const needs = { groups: true, replay: true } as const;

interface Failing {
  readonly bus: TypedEventBus<Record<string, unknown>>;
  /** The events that the failed group has handled since `works` is true. */
  readonly billing: Recorder<number>;
  readonly shipping: Recorder<number>;
  works: boolean;
  fail(from: number, count: number): Promise<void>;
}

type Bus = Failing['bus'];

async function startedBus(t: CaseContext): Promise<Bus> {
  const bus = createEventBus({ engines: [{ name: 'own', engine: await t.engine() }] });
  await t.within(bus.start(), 'start to resolve');
  return bus;
}

/** Returns true if the engine keeps the position of a redrive, so that redrives of several processes share it. */
function remembers({ capabilities }: Bus): boolean {
  return capabilities.durable || !capabilities.crossProcess;
}

/** Long enough for existing dead letters to arrive, and short enough for several redrives in one case. In milliseconds. */
function idleOf(t: CaseContext): number {
  return t.deadlineMs / 10;
}

/** Starts a bus on the engine with two groups on one topic. The group "billing" fails until `works` is true. */
async function failing(t: CaseContext): Promise<Failing> {
  const bus = await startedBus(t);
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

/** Dead letters that are published back to their topic. */
export const redriveCases: readonly ConformanceCase[] = defineCases('redrive', [
  {
    name: 'redrive() is refused on a crossProcess engine that is not durable, because it would publish the same dead letters again',
    rules: [6, 10],
    needs: { ...needs, crossProcess: true, durable: false },
    async run(t) {
      const bus = await startedBus(t);
      await rejectsWith(() => bus.redrive(t.topic()), 'UNSUPPORTED_CAPABILITY', 'durable');
    },
  },
  {
    name: 'redrive() publishes each dead letter back unchanged and once, and only the failed group handles it again',
    rules: [5, 6],
    needs,
    async run(t) {
      const state = await failing(t);
      if (!remembers(state.bus)) return;
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
    name: 'redrive() keeps dead letters that its filter rejects for a later call, and subscribers of dead letters get no duplicates',
    rules: [6],
    needs,
    async run(t) {
      const state = await failing(t);
      const { bus } = state;
      if (!remembers(bus)) return;
      const dead = t.record();
      await bus.subscribe(`_dead.${t.topic('*')}`, dead.handler, roomy);
      await state.fail(0, 4);
      await dead.ends(4);
      const idleMs = idleOf(t);
      const redrive = (options: RedriveOptions): Promise<RedriveResult> =>
        t.within(bus.redrive(t.topic(), { idleMs, ...options }), 'redrive to resolve');
      assert.deepEqual(await redrive({ filter: () => false }), { redriven: 0, kept: 4 });
      const isEven = ({ payload }: { readonly payload: unknown }): boolean => (payload as number) % 2 === 0;
      assert.deepEqual(await redrive({ filter: isEven }), { redriven: 2, kept: 2 });
      assert.deepEqual(await redrive({ limit: 2 }), { redriven: 2, kept: 0 });
      await state.billing.ends(4);
      state.billing.assertPayloads([0, 1, 2, 3]);
      await t.quiet(bus.router.engine('own'));
      assert.equal(dead.calls.length, 4, `dead letters were seen ${dead.calls.length} times, not 4`);
    },
  },
  {
    name: 'redrive() publishes no dead letter twice, in whichever process it runs',
    rules: [5, 6],
    needs,
    async run(t) {
      const state = await failing(t);
      if (!remembers(state.bus)) return;
      await state.fail(0, 2);
      const idleMs = idleOf(t);
      const first = state.bus.redrive(t.topic(), { idleMs: t.deadlineMs, limit: 2 });
      assert.deepEqual(await t.within(first, 'redrive to resolve'), { redriven: 2, kept: 0 });
      await state.billing.ends(2);
      const other = state.bus.capabilities.crossProcess ? await startedBus(t) : state.bus;
      const second = await t.within(other.redrive(t.topic(), { idleMs }), 'redrive to resolve');
      assert.deepEqual(second, { redriven: 0, kept: 0 });
      state.billing.assertPayloads([0, 1]);
    },
  },
  {
    name: 'redrive() reports a topic without dead letters as notFound, so that a misspelt topic is noticed',
    rules: [6, 12],
    needs,
    async run(t) {
      const bus = await startedBus(t);
      if (!remembers(bus)) return;
      const topic = t.topic('misspelt');
      const nothing = bus.redrive(topic, { idleMs: idleOf(t) });
      const expected = { redriven: 0, kept: 0, notFound: `_dead.${topic}` };
      assert.deepEqual(await t.within(nothing, 'redrive to resolve'), expected);
    },
  },
]);
