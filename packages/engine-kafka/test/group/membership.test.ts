import { expect, test, vi } from 'vitest';
import { HeldReceiver, SimulatedTopic, Simulation, failure, request } from '../simulated.ts';
import { until } from '../support.ts';

test('an unanswered heartbeat does not extend the session: the member joins again after the session timeout', async () => {
  const simulation = new Simulation(true, { sessionTimeoutMs: 500 });
  const { topics, catalog, group, asked } = simulation;
  topics.set('t', new SimulatedTopic(1));
  await catalog.refresh();
  let beats = 0;
  simulation.heartbeat = () => {
    beats++;
    return asked.length === 1 ? new Promise(() => {}) : Promise.resolve();
  };
  await group.listen(request('t'), new HeldReceiver());
  await until('another join', () => asked.length === 2);
  const before = beats;
  await until('heartbeats of the new membership', () => beats > before + 3);
  expect(asked.length).toBe(2);
});

test('a member without an answer for the session timeout starts no event, and continues after the next answer', async () => {
  vi.useFakeTimers();
  try {
    const simulation = new Simulation(true, { sessionTimeoutMs: 300, heartbeatIntervalMs: 200 });
    const { topics, catalog, group, asked } = simulation;
    topics.set('t', new SimulatedTopic(1));
    await catalog.refresh();
    let answer!: () => void;
    simulation.heartbeat = () => new Promise((resolve) => (answer = resolve));
    const receiver = new HeldReceiver();
    let runs = 0;
    receiver.run = () => void runs++;
    const listening = group.listen(request('t'), receiver);
    await vi.advanceTimersByTimeAsync(50);
    await listening;
    expect(receiver.mayBegin?.()).toBe(true);
    // The heartbeat that left at 200 ms is answered only at 380 ms.
    await vi.advanceTimersByTimeAsync(270);
    expect(receiver.mayBegin?.()).toBe(false);
    topics.get('t')!.records.push('one');
    await vi.advanceTimersByTimeAsync(60);
    expect(receiver.held.length).toBe(0);
    const before = runs;
    answer();
    await vi.advanceTimersByTimeAsync(1);
    expect([receiver.held.length, receiver.mayBegin?.(), asked.length]).toEqual([1, true, 1]);
    // It also runs the events that it had before.
    expect(runs).toBeGreaterThan(before + 1);
  } finally {
    vi.useRealTimers();
  }
});

test('a member that is closed while it joins leaves the group immediately', async () => {
  const simulation = new Simulation();
  const { topics, catalog, group } = simulation;
  topics.set('t', new SimulatedTopic(1));
  await catalog.refresh();
  let fail!: (error: Error) => void;
  simulation.joins.push(() => new Promise((_, reject) => (fail = reject)));
  simulation.leave = async () => fail?.(new Error('this member is unknown'));
  const listening = group.listen(request('t'), new HeldReceiver());
  const refusal = listening.catch((error: Error) => error.message);
  await until('the join', () => simulation.asked.length === 1);
  await group.close();
  expect(await refusal).toContain('leaves');
});

test('a subscribe rejects in the end if the member cannot join', async () => {
  vi.useFakeTimers();
  try {
    const simulation = new Simulation();
    const { topics, catalog, group } = simulation;
    topics.set('t', new SimulatedTopic(1));
    await catalog.refresh();
    simulation.join = async () => {
      throw failure('passing');
    };
    let told: unknown;
    const since = Date.now();
    const listening = group.listen(request('t'), new HeldReceiver()).catch((error: unknown) => {
      told = error;
      return Date.now() - since;
    });
    await vi.advanceTimersByTimeAsync(25_000);
    expect(told).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toMatchObject({ kind: 'passing' });
    expect(await listening).toBeGreaterThanOrEqual(30_000);
  } finally {
    vi.useRealTimers();
  }
});
