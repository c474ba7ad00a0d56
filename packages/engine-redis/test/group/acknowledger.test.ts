import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Acknowledger } from '../../src/group/acknowledger.ts';
import type { ConsumerCommands } from '../../src/group/consumer-commands.ts';
import { LogLines } from '../support.ts';

function makeAcknowledger() {
  const sent: string[] = [];
  const commands = {
    acknowledge: async () => void sent.push('acknowledged'),
    recordAttempts: async () => void sent.push('attempt'),
  };
  return { acknowledger: new Acknowledger(commands as unknown as ConsumerCommands, new LogLines()), sent };
}

test('an attempt that is still running at the end of the event-loop turn is reported then, with the acknowledgements of that turn', async () => {
  const { acknowledger, sent } = makeAcknowledger();
  acknowledger.begun('1-0', 1);
  acknowledger.settled('2-0', '');
  await setImmediate();
  expect(sent).toEqual(['attempt', 'acknowledged']);
});

test('acknowledgements without a running attempt are sent one turn of the event loop later', async () => {
  const { acknowledger, sent } = makeAcknowledger();
  acknowledger.begun('1-0', 1);
  acknowledger.settled('1-0', '');
  await setImmediate();
  expect(sent).toEqual([]);
  await setImmediate();
  expect(sent).toEqual(['acknowledged']);
});
