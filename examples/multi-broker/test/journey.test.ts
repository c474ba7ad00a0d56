import { expect, test } from 'vitest';
import { Journeys } from '../src/journey.ts';

const placed = { id: '1', topic: 'order.placed' };
const paid = { id: '2', topic: 'order.paid' };

test('an event that arrives twice is one step, and neither it nor events of other orders complete the journey', async () => {
  const journeys = new Journeys(['o-1'], 2);
  let isComplete = false;
  void journeys.complete.then(() => (isComplete = true));
  for (const event of [placed, placed]) journeys.saw('o-1', event);
  await Promise.resolve();
  expect(isComplete).toBe(false);
  journeys.saw('of somebody else', { id: '3', topic: 'order.placed' });
  await Promise.resolve();
  expect(isComplete).toBe(false);
  journeys.saw('o-1', paid);
  await journeys.complete;
  for (const id of ['1', '2', '2']) journeys.brought(id, `engine-${id}`);
  expect(journeys.lines()).toEqual(['o-1: order.placed (engine-1) → order.paid (engine-2)']);
});

test('an event that two engines deliver shows both engines', () => {
  const journeys = new Journeys(['o-1'], 1);
  journeys.saw('o-1', placed);
  for (const engine of ['log', 'work']) journeys.brought('1', engine);
  expect(journeys.lines()).toEqual(['o-1: order.placed (log, work)']);
});
