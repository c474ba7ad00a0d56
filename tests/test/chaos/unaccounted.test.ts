import { expect, test } from 'vitest';
import { unaccounted } from '../../chaos/check/check-every.ts';
import { HandMade } from './hand-made.ts';

function missing(ledgers: HandMade): string[] {
  const history = ledgers.history();
  const [subscriber] = history.subscribers.filter(({ name }) => name === 'c1/every');
  return unaccounted(history, subscriber!).map(({ id }) => id);
}

const every = { sub: 'every' } as const;
/** One event, published while a subscription lives that ends long after it. */
const one = (): HandMade => new HandMade().publish(5, 'a').subscribe('c1', 'every', 1, 60);

test('an event that a subscription did not get is unaccounted', () => {
  expect(missing(one())).toEqual(['a']);
});

test('an event is accounted for if its handler ended, with or without success', () => {
  expect(missing(one().handle('c1', 'a', 5.1, 5.2, every))).toEqual([]);
  expect(missing(one().handle('c1', 'a', 5.1, 5.2, { ...every, ok: false }))).toEqual([]);
  expect(missing(one().handle('c1', 'a', 5.1, undefined, every))).toEqual(['a']);
});

test('an event is accounted for if the engine reported that it dropped it', () => {
  expect(missing(one().giveUp('c1', 'every', 5.1, 'a', 'dropped'))).toEqual([]);
  expect(missing(one().giveUp('c1', 'other', 5.1, 'a', 'dropped'))).toEqual(['a']);
});

test('an event is accounted for if the engine reported a gap around it', () => {
  expect(missing(one().gap('c1', 4, 6))).toEqual([]);
  expect(missing(one().gap('c1', 6, 7))).toEqual(['a']);
  expect(missing(one().gap('c2', 4, 6))).toEqual(['a']);
});

test('an event that was published before the subscription or after its end is not expected', () => {
  expect(missing(new HandMade().publish(5, 'a').subscribe('c1', 'every', 6, 60))).toEqual([]);
  expect(missing(new HandMade().publish(5, 'a').subscribe('c1', 'every', 1, 4))).toEqual([]);
});

test('an event that may have been on its way at the end is expected only if a later one of its key was there', () => {
  const late = (): HandMade =>
    new HandMade().publish(5, 'a').publish(6, 'b', { seq: 1 }).subscribe('c1', 'every', 1, 8);
  expect(missing(late())).toEqual([]);
  expect(missing(late().handle('c1', 'b', 6.1, 6.2, { ...every, seq: 1 }))).toEqual(['a']);
});
