import { describe, expect, test } from 'vitest';
import { type Handling, History } from '../../src/processes/history.ts';
import { machineNow } from '../../src/processes/messages.ts';

/** A handler call that ended without an error. Times are relative to now, in milliseconds. */
function handling(process: number, payload: number, begin: number, end: number): Handling {
  const now = machineNow();
  return {
    process,
    topic: 't-id.events',
    key: 'one',
    payload,
    attempt: 1,
    begunAt: now + begin,
    endedAt: now + end,
    failed: false,
  };
}

function violationsOf(handlings: readonly Handling[], interrupted?: number): string[] {
  const history = new History();
  history.handlings.push(...handlings);
  if (interrupted !== undefined) history.interrupt(interrupted);
  return history.violations();
}

describe('the history of a case finds', () => {
  test('nothing, if the events of a key are handled one after the other', () => {
    expect(violationsOf([handling(1, 0, -40, -30), handling(2, 1, -20, -10)])).toEqual([]);
  });

  test('an event that begins while another event of its key is handled', () => {
    expect(violationsOf([handling(1, 0, -40, -10), handling(2, 1, -20, -5)])).toEqual([
      'process 2 began event 1 of the key "one" on "events" while process 1 still handled event 0 of the key "one" on "events"',
    ]);
  });

  test('an event that begins after a later event of its key', () => {
    expect(violationsOf([handling(1, 1, -40, -30), handling(1, 0, -20, -10)])).toEqual([
      'process 1 began event 0 of the key "one" on "events" after process 1 had begun the later event 1 of the key "one" on "events"',
    ]);
  });

  test('an event that begins again, unless its process was killed or frozen later', () => {
    const twice = [handling(1, 0, -40, -30), handling(2, 0, -20, -10)];
    expect(violationsOf(twice)).toEqual([
      'process 2 began event 0 of the key "one" on "events", which process 1 had handled to the end',
    ]);
    expect(violationsOf(twice, 1)).toEqual([]);
  });

  test('an event that another process has, which a frozen process begins when it continues', () => {
    const handlings = [handling(2, 0, -20, 60_000), handling(1, 0, 10, 20)];
    expect(violationsOf(handlings, 1)).toEqual([
      'process 1 began event 0 of the key "one" on "events" while process 2 still handled event 0 of the key "one" on "events"',
    ]);
  });
});
