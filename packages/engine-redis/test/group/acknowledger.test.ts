import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Acknowledger } from '../../src/group/acknowledger.ts';
import type { StreamStore } from '../../src/store/stream-store.ts';

function makeAcknowledger() {
  const sent: string[] = [];
  const store = {
    acknowledge: async () => void sent.push('acknowledged'),
    recordAttempts: async () => void sent.push('attempt'),
  };
  const place = { topic: 't', group: 'g', consumer: 'c' };
  return { acknowledger: new Acknowledger(store as unknown as StreamStore, place), sent };
}

test('an attempt that outlives its turn is told at the end of that turn, and what is settled with it', async () => {
  const { acknowledger, sent } = makeAcknowledger();
  acknowledger.begun('1-0', 1);
  acknowledger.settled('2-0', '');
  await setImmediate();
  expect(sent).toEqual(['attempt', 'acknowledged']);
});

test('an acknowledgement alone lets what has come by now go first', async () => {
  const { acknowledger, sent } = makeAcknowledger();
  acknowledger.begun('1-0', 1);
  acknowledger.settled('1-0', '');
  await setImmediate();
  expect(sent).toEqual([]);
  await setImmediate();
  expect(sent).toEqual(['acknowledged']);
});
