import { expect, test, vi } from 'vitest';
import { HeldReceiver, SimulatedTopic, Simulation, failure, request } from '../simulated.ts';
import { until } from '../support.ts';

test('a heartbeat that is never answered is no sign of life: once the session is over the member joins again', async () => {
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

test('a member that has heard nothing for as long as its session lasts begins nothing, and goes on once it hears', async () => {
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
    // What it had before, too.
    expect(runs).toBeGreaterThan(before + 1);
  } finally {
    vi.useRealTimers();
  }
});

test('a member whose group ends while it joins says goodbye at once', async () => {
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

test('those who wait for a member that cannot join are told so in the end', async () => {
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
