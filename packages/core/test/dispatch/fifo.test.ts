import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from '../../src/dispatch/backlog/fifo.ts';

interface Item {
  readonly value: number;
  next: Item | undefined;
}

const item = (value: number): Item => ({ value, next: undefined });

test('returns the same items in the same order as an array', () => {
  assert(
    fc.property(fc.array(fc.boolean()), (steps) => {
      const fifo = new Fifo<Item>();
      const array: Item[] = [];
      for (const [i, isPush] of steps.entries()) {
        const pushed = item(i);
        if (isPush) fifo.push(pushed);
        if (isPush) array.push(pushed);
        const [got, expected] = isPush ? [] : [fifo.shift(), array.shift()];
        expect(got).toBe(expected);
        expect(fifo.size).toBe(array.length);
      }
    }),
  );
});

test('an item can be queued again after it was removed', () => {
  const fifo = new Fifo<Item>();
  const [first, second] = [item(1), item(2)];
  fifo.push(first);
  fifo.push(second);
  expect(fifo.shift()).toBe(first);
  expect(first.next).toBeUndefined();
  fifo.push(first);
  expect([fifo.shift(), fifo.shift(), fifo.shift()]).toEqual([second, first, undefined]);
});
