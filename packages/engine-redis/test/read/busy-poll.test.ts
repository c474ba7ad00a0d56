import { expect, onTestFinished, test, vi } from 'vitest';
import { BusyPoll } from '../../src/read/busy-poll.ts';

/** A poll whose time and turns of the event loop pass by hand. */
function makePoll() {
  let now = 1000;
  let published = 0;
  const turns: (() => void)[] = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(globalThis, 'setImmediate').mockImplementation(((turn: () => void) => turns.push(turn)) as never);
  onTestFinished(() => void vi.restoreAllMocks());
  const poll = new BusyPoll(() => published);
  return {
    poll,
    turns,
    publish: () => published++,
    pass: (ms: number) => (now += ms),
    /** Whether the event loop is kept from sleeping; lets one turn of it go by. */
    turn: () => {
      const due = turns.splice(0);
      for (const one of due) one();
      return due.length > 0;
    },
    /** A read whose answer takes so long. */
    read: (ms: number) => {
      published++;
      poll.begin();
      now += ms;
      poll.end();
      turns.splice(0);
    },
  };
}

test('it polls until the answer is there', () => {
  const { poll, publish, read, turn } = makePoll();
  read(0.05);
  publish();
  poll.begin();
  expect(turn()).toBe(true);
  expect(turn()).toBe(true);
  poll.end();
  turn();
  expect(turn()).toBe(false);
});

test('it polls for 0.1 ms at most', () => {
  const { poll, publish, read, pass, turn } = makePoll();
  read(0.05);
  publish();
  poll.begin();
  pass(0.09);
  expect(turn()).toBe(true);
  pass(0.02);
  turn();
  expect(turn()).toBe(false);
});

test('it sleeps where the last answer took its time, as from a server that is far away', () => {
  const { poll, publish, read, turn } = makePoll();
  read(0.05);
  read(0.2);
  publish();
  poll.begin();
  expect(turn()).toBe(false);
});

test('it sleeps where the engine has published nothing since the last time', () => {
  const { poll, read, turn } = makePoll();
  read(0.05);
  poll.begin();
  expect(turn()).toBe(false);
});

test('one that begins in the turn in which another ended is polled for once a turn, and only for its own reasons', () => {
  const { poll, publish, read, turns, turn } = makePoll();
  read(0.05);
  publish();
  poll.begin();
  poll.end();
  publish();
  poll.begin();
  expect(turns).toHaveLength(1);
  poll.end();
  poll.begin();
  turn();
  expect(turns).toHaveLength(0);
});
