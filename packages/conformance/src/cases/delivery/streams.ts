import assert from 'node:assert/strict';
import { createEventBus } from '@polybus/core';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';

/** Opens unread streams of one group, publishes an event, and asserts that the bus stops without acknowledging it. */
async function stopUnread(t: CaseContext, count: number): Promise<void> {
  const engine = await t.engine();
  const bus = createEventBus({ engines: [{ name: 'own', engine }] });
  await t.within(bus.start(), 'start to resolve');
  const group = t.group();
  for (let n = 0; n < count; n++)
    await t.within(bus.events(t.topic(), { group }).ready, 'the stream to be ready');
  await t.within(bus.publish(t.topic(), 1), 'publish to resolve');
  await t.eventually(() => bus.stats().pending > 0, 'the event to arrive');
  await t.within(bus.stop(), 'stop to resolve');
  assert.equal(bus.stats().delivered, 0, 'an event that nobody read was acknowledged');
  if (!engine.capabilities.durable) return;
  const seen = t.record<number>();
  await (await t.started()).subscribe(t.topic(), seen.handler, { group });
  await seen.ends(1);
}

/** What `bus.events()` requires of an engine. */
export const streamCases: readonly ConformanceCase[] = defineCases('streams', [
  {
    name: 'an unread stream of a group neither blocks stop() nor keeps its event from other members',
    rules: [4, 8],
    needs: { groups: true },
    run: (t) => stopUnread(t, 1),
  },
  {
    name: 'two unread streams of a group do not pass an event back and forth',
    rules: [4, 8],
    needs: { groups: true },
    run: (t) => stopUnread(t, 2),
  },
  {
    name: 'a group loop releases its unfinished event when it ends, without using up an attempt',
    rules: [4, 5, 6],
    needs: { groups: true },
    async run(t) {
      const bus = createEventBus({ engines: [{ name: 'own', engine: await t.engine() }] });
      await t.within(bus.start(), 'start to resolve');
      const options = { group: t.group(), retry: false, deadLetter: false } as const;
      const loop = bus.events(t.topic(), options);
      await t.within(loop.ready, 'the loop to be ready');
      const publishing = bus.publish(t.topic(), 1);
      await t.within(loop.next(), 'the loop to get the event');
      const seen = t.record();
      await bus.subscribe(t.topic(), seen.handler, options);
      await t.within(loop.return(), 'the loop to end');
      await seen.ends(1);
      await t.within(publishing, 'publish to resolve');
      assert.equal(seen.calls[0]!.context.attempt, 1);
      await t.within(bus.stop(), 'stop to resolve');
    },
  },
]);
