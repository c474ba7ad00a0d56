import { expect, test } from 'vitest';
import { durableEngines, engineNames } from '../../chaos/schedule/engines.ts';
import { faultKinds, faultsOf } from '../../chaos/schedule/faults.ts';
import { makeSchedule } from '../../chaos/schedule/schedule.ts';

test.each(engineNames)('%s: the same seed gives the same schedule, another seed another', (engine) => {
  expect(makeSchedule(engine, 7, 40_000)).toEqual(makeSchedule(engine, 7, 40_000));
  expect(makeSchedule(engine, 7, 40_000)).not.toEqual(makeSchedule(engine, 8, 40_000));
});

test.each(engineNames)(
  '%s: as many schedules as there are kinds contain every kind, and no other',
  (engine) => {
    const kinds = faultsOf[engine];
    const schedules = kinds.map((_, seed) => makeSchedule(engine, seed, 8000));
    expect(new Set(schedules.flatMap(({ faults }) => faults.map(({ kind }) => kind)))).toEqual(
      new Set(kinds),
    );
  },
);

test.each(engineNames)('%s: faults are in order, and begin while producers publish', (engine) => {
  for (let seed = 0; seed < 50; seed++) {
    const times = makeSchedule(engine, seed, 20_000).faults.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(Math.min(...times)).toBeGreaterThan(0);
    expect(Math.max(...times)).toBeLessThan(20_000);
  }
});

test('every kind of fault happens to an engine', () => {
  expect(new Set(Object.values(faultsOf).flat())).toEqual(new Set(Object.keys(faultKinds)));
});

test('Kinesis is not killed, because its emulator would lose its data; the other durable engines are', () => {
  const killed = durableEngines.filter((engine) => faultsOf[engine].includes('kill-broker'));
  expect(killed).toEqual(['redis-streams', 'kafka']);
});
