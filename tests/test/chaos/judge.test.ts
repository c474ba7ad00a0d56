import { expect, test } from 'vitest';
import { judge } from '../../chaos/check/judge.ts';
import { HandMade } from './hand-made.ts';

const observer = { sub: 'observer' } as const;
/** An event that the group and the observer have handled. */
const fine = (): HandMade =>
  new HandMade().publish(1, 'a').handle('c1', 'a', 2, 3).handle('o', 'a', 2, 3, observer);

test('a schedule in which every promise held is not broken', () => {
  expect(judge('kafka', fine().history())).toMatchObject({ accepted: 1, handlers: 2, broken: [] });
});

test('a broken promise is named, with its first event', () => {
  const lost = fine()
    .publish(4, 'b', { seq: 1 })
    .handle('o', 'b', 5, 6, { ...observer, seq: 1 });
  expect(judge('kafka', lost.history()).broken).toEqual(['1 lost, first b (key k, published at 4000)']);
  const unseen = new HandMade().publish(1, 'a').handle('c1', 'a', 2, 3);
  expect(judge('redis-streams', unseen.history()).broken).toEqual([
    '1 not seen by the observer, first a (key k, published at 1000)',
  ]);
});

test('a repeat breaks a promise only if nothing explains it', () => {
  const twice = (): HandMade => fine().handle('c2', 'a', 8, 9);
  expect(judge('kinesis', twice().history()).broken).toEqual([
    '1 repeated without a cause, first a by c1 from 2000 to 3000 (ok, attempt 1) and a by c2 from 8000 to 9000 (ok, attempt 1)',
  ]);
  const killed = judge('kinesis', twice().disturb('killed', 4, 4, 'c1').history());
  expect(killed).toMatchObject({ repeated: { killed: 1 }, broken: [] });
});

test('two handlers of a key at once break a promise unless one of them was frozen', () => {
  const atOnce = (): HandMade => fine().publish(1, 'b', { seq: 1 }).handle('c2', 'b', 2.5, 3.5, { seq: 1 });
  const seen = (): HandMade => atOnce().handle('o', 'b', 4, 5, { ...observer, seq: 1 });
  expect(judge('kafka', seen().history()).broken).toHaveLength(1);
  expect(judge('kafka', seen().disturb('network', 2.1, 2.2).history()).broken).toHaveLength(1);
  expect(judge('kafka', seen().disturb('frozen', 2.1, 2.2, 'c1').history()).broken).toEqual([]);
});

test('an engine that drops events has to report each and count them', () => {
  const dropped = (count: number): HandMade =>
    new HandMade()
      .publish(5, 'a')
      .subscribe('c1', 'every-0', 1, 60)
      .giveUp('c1', 'every-0', 5, 'a', 'dropped')
      .stop('c1', 61, count);
  expect(judge('redis-pubsub', dropped(1).history())).toMatchObject({ givenUp: 1, broken: [] });
  expect(judge('redis-pubsub', dropped(2).history()).broken).toEqual([
    '1 processes whose count of dropped events is not the number that was reported, first c1: 1 reported, 2 counted',
  ]);
  const silent = new HandMade().publish(5, 'a').subscribe('c1', 'every-0', 1, 60);
  expect(judge('redis-pubsub', silent.history()).broken).toEqual([
    '1 unaccounted, first a (key k, published at 5000) by c1/every-0',
  ]);
});
