import { expect, test } from 'vitest';
import { onceInMicrotask } from '../../src/engine-kit/once-in-microtask.ts';

test('runs once for all calls of a turn, and again for a call from inside', async () => {
  const order: string[] = [];
  let isAgain = true;
  const plan = onceInMicrotask(() => {
    order.push('ran');
    if (isAgain) plan();
    isAgain = false;
  });
  plan();
  plan();
  order.push('planned');
  await new Promise(setImmediate);
  expect(order).toEqual(['planned', 'ran', 'ran']);
});
