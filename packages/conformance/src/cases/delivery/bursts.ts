import assert from 'node:assert/strict';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';

const ways = [
  { kind: 'subscribe', isElsewhere: false },
  { kind: 'subscribeAsync', isElsewhere: false },
  { kind: 'subscribe', isElsewhere: true },
  { kind: 'subscribeAsync', isElsewhere: true },
] as const;

/** Enough keys that the events are sent in few requests, even by a broker that takes one event of a key per request. */
const manyKeys = (n: number): { key: string } => ({ key: `key-${n % 100}` });

/** Publishes more events at once than the buffer of an idle subscription holds. No later event follows that could wake it. */
async function burst(
  t: CaseContext,
  count: number,
  options: { bufferSize?: number; group?: string },
  keyOf: (n: number) => { key?: string } = () => ({}),
): Promise<void> {
  for (const [n, { kind, isElsewhere }] of ways.entries()) {
    const engine = await t.started();
    const publisher = isElsewhere ? await t.elsewhere(engine) : engine;
    const topic = t.topic(`burst-${n}`);
    const seen = t.record<number>();
    const subscription = await engine[kind](topic, seen.handler, options);
    await t.publish(publisher, topic, -1);
    await seen.ends(1);
    await t.quiet(engine);
    const publishing = Array.from({ length: count }, (_, payload) =>
      publisher.publish({ topic, payload, ...keyOf(payload) }),
    );
    await t.within(Promise.all(publishing), 'publish to resolve');
    // An engine that is not durable may drop events that exceed its buffer if it counts them.
    const dropped = (): number => (engine.capabilities.durable ? 0 : engine.stats().dropped);
    await t.eventually(
      () => seen.ended + dropped() >= count + 1,
      () =>
        `${kind} on an idle subscription to handle ${count} events at once; it handled ${seen.ended - 1}, ` +
        JSON.stringify(engine.stats()),
    );
    assert.equal(new Set(seen.payloads).size, seen.calls.length, 'an event was handled twice');
    await t.within(subscription.cancel(), 'cancel to resolve');
  }
}

/** Bursts that are larger than the buffer of an idle subscription. */
export const burstCases: readonly ConformanceCase[] = defineCases('bursts', [
  {
    name: 'an idle subscription handles a burst larger than the default buffer without a further event',
    rules: [1, 7],
    run: (t) => burst(t, 400, {}, manyKeys),
  },
  {
    name: 'an idle subscription with a buffer of 10 handles 20 events published at once without a further event',
    rules: [1, 7],
    run: (t) => burst(t, 20, { bufferSize: 10 }),
  },
  {
    name: 'an idle group handles a burst larger than the default buffer without a further event',
    rules: [1, 5, 7],
    needs: { groups: true },
    run: (t) => burst(t, 400, { group: t.group() }, manyKeys),
  },
  {
    name: 'an idle group with a buffer of 10 handles 20 events published at once without a further event',
    rules: [1, 5, 7],
    needs: { groups: true },
    run: (t) => burst(t, 20, { bufferSize: 10, group: t.group() }),
  },
]);
