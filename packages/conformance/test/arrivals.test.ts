import { expect, test } from 'vitest';
import { assertEach, assertOrder } from '../src/support/arrivals.ts';
import { Wakeup } from '../src/support/eventually.ts';
import { numbers } from '../src/support/numbers.ts';
import { Recorder } from '../src/support/recorder.ts';

/** The message of the assertion, or an empty text if it holds. */
function messageOf(assertion: () => void): string {
  try {
    assertion();
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

test('an order that differs is shown from shortly before the first difference', () => {
  expect(messageOf(() => assertOrder([0, 1], [0, 1], 'the handler'))).toBe('');
  expect(messageOf(() => assertOrder([], [1], 'the handler'))).toBe(
    'expected the handler to get 1 in this order (1 in all), got nothing (0 in all)',
  );
  const swapped = numbers(100).with(50, 51).with(51, 50);
  expect(messageOf(() => assertOrder(swapped, numbers(100), 'the handler'))).toBe(
    'expected the handler to get …, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, and 42 more in this order (100 in all), ' +
      'got …, 48, 49, 51, 50, 52, 53, 54, 55, 56, 57, and 42 more (100 in all)',
  );
});

test('what came in any order is compared by how often it came', () => {
  expect(messageOf(() => assertEach([2, 1, undefined], [undefined, 1, 2], 'the group'))).toBe('');
  expect(messageOf(() => assertEach(['a', 'a', 'c'], ['a', 'b', 'c'], 'the group'))).toBe(
    'expected the group to get "a", "b", "c", each once; missing: "b"; too many: "a"',
  );
});

/** A call of a handler: the key, the payload and the attempt, and whether it ends before the next begins. */
type Step = readonly [key: string, payload: number, attempt: number, ends: boolean];

async function keyOrderOf(steps: readonly Step[]): Promise<string> {
  const never = new Promise<void>(() => {});
  let ends = true;
  const seen = new Recorder<number>(new Wakeup(), 1000, () => (ends ? undefined : never));
  for (const [key, payload, attempt, last] of steps) {
    ends = last;
    const running = seen.handler({ topic: 'a', key, payload } as never, { attempt } as never);
    if (ends) await running;
  }
  return messageOf(() => seen.assertKeyOrder('the members'));
}

test('the order of keys is broken by an overlap, an overtaking and a repetition, and not by a retry', async () => {
  const intro = 'expected the members to get the events of each key one at a time and in order, but ';
  const kept: Step[] = [
    ['x', 1, 1, true],
    ['y', 0, 1, false],
    ['x', 1, 2, true],
    ['x', 2, 1, true],
  ];
  expect(await keyOrderOf(kept)).toBe('');
  expect(await keyOrderOf([...kept, ['y', 3, 1, true]])).toBe(`${intro}3 of "y" began while 0 was handled`);
  expect(await keyOrderOf([...kept, ['x', 0, 1, true]])).toBe(`${intro}0 of "x" began after 2`);
  expect(await keyOrderOf([...kept, ['x', 2, 1, true]])).toBe(`${intro}2 of "x" began after 2`);
});
