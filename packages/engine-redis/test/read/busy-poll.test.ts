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

test('polls until the answer arrives', () => {
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

test('polls for 0.1 ms at most', () => {
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

test('sleeps if the last answer was slow, as from a distant server', () => {
  const { poll, publish, read, turn } = makePoll();
  read(0.05);
  read(0.2);
  publish();
  poll.begin();
  expect(turn()).toBe(false);
});

test('sleeps if the engine has published nothing since the last read', () => {
  const { poll, read, turn } = makePoll();
  read(0.05);
  poll.begin();
  expect(turn()).toBe(false);
});

test('a poll that begins in the event-loop turn in which another ended runs once per turn, and only if it has its own reason', () => {
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
