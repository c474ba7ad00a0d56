import { expect, test } from 'vitest';
import { groupOf } from '../../chaos/check/history.ts';
import { returnTimes, takeoverTimes } from '../../chaos/check/times.ts';
import { HandMade } from './hand-made.ts';

test('the takeover of a killed member lasts until the last of its events has begun elsewhere', () => {
  const history = new HandMade()
    .handle('c1', 'a', 1)
    .handle('c1', 'b', 1)
    .handle('c1', 'done', 1, 1.5)
    .disturb('killed', 2, 2, 'c1')
    .handle('c2', 'a', 5, 6)
    .handle('c2', 'b', 6, 7)
    .disturb('killed', 9, 9, 'c2')
    .history();
  // The second was killed while it handled nothing.
  expect(takeoverTimes(history, groupOf(history, 'group'))).toEqual([4000]);
});

test('a broker is used again when an event is handled that was published after its return', () => {
  const history = new HandMade()
    .publish(1, 'before')
    .disturb('broker', 2, 3)
    .publish(4, 'after')
    .handle('c1', 'before', 3.5, 3.6)
    .handle('c1', 'after', 5, 5.1)
    .history();
  expect(returnTimes(history, groupOf(history, 'group'))).toEqual([2000]);
});

test('a return is not measured if the broker or the network failed again before an event was handled', () => {
  const ledgers = new HandMade().disturb('broker', 2, 3).publish(4, 'after').handle('c1', 'after', 8, 8.1);
  const timesOf = (made: HandMade): number[] => returnTimes(made.history(), groupOf(made.history(), 'group'));
  expect(timesOf(ledgers)).toEqual([5000]);
  expect(timesOf(ledgers.disturb('frozen', 4, 5, 'c2'))).toEqual([5000]);
  expect(timesOf(ledgers.disturb('network', 5, 6))).toEqual([]);
});
