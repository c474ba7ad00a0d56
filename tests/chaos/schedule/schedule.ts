import { type EngineName, engineNames, leaseMs } from './engines.ts';
import { type FaultKind, faultsOf } from './faults.ts';
import { Random } from './random.ts';

/** One fault of a schedule. */
export interface Fault {
  readonly kind: FaultKind;
  /** When it begins, in milliseconds after the start of the load. */
  readonly atMs: number;
  /** How long it lasts, or how long until a killed process or broker is replaced. */
  readonly forMs: number;
  /** Which of the processes in question, by its number among them; beyond their count it starts again with the first. */
  readonly target: number;
}

/** What happens in a run. The same engine, seed and duration give the same schedule. */
export interface Schedule {
  readonly engine: EngineName;
  readonly seed: number;
  /** How long producers publish, in milliseconds. */
  readonly durationMs: number;
  readonly consumers: number;
  readonly producers: number;
  /** Events per second of each producer. */
  readonly rate: number;
  /** True if the group subscribes by a pattern, else by the names of its topics. */
  readonly byPattern: boolean;
  /** In the order of their beginning. */
  readonly faults: readonly Fault[];
}

/** On average, from one fault to the next. */
const stepMs = 3500;
/** Without faults, at the beginning and at the end. */
const calmMs = 1500;

const moment = [200, 3000] as const;
const some = [1000, 4000] as const;
const aroundLease = [leaseMs / 2, leaseMs * 2] as const;
const none = [0, 0] as const;

/** How long each kind lasts, at least and at most. */
const durationsMs: Readonly<Record<FaultKind, readonly [least: number, most: number]>> = {
  'kill-consumer': moment,
  'terminate-consumer': moment,
  'freeze-consumer': aroundLease,
  'kill-producer': moment,
  'terminate-producer': moment,
  'freeze-producer': some,
  join: moment,
  leave: moment,
  throw: some,
  hang: some,
  slow: some,
  'stall-loop': aroundLease,
  'set-clock': some,
  'restart-broker': none,
  'kill-broker': moment,
  'pause-broker': [500, leaseMs * 2],
  'reset-connections': none,
  'stall-connections': [500, leaseMs * 2],
  'refuse-connections': moment,
  'full-redis': some,
  'add-partitions': none,
  reshard: none,
};

/** Derives the schedule of a seed. */
export function makeSchedule(engine: EngineName, seed: number, durationMs: number): Schedule {
  const random = new Random(seed * engineNames.length + engineNames.indexOf(engine));
  const kinds = faultsOf[engine];
  const count = Math.max(2, Math.round((durationMs - 2 * calmMs) / stepMs));
  // Consecutive seeds go through all kinds in turn; the other faults of a schedule are at random.
  const main = kinds[seed % kinds.length]!;
  const chosen = [main, ...Array.from({ length: count - 1 }, () => random.pick(kinds))];
  const slotMs = (durationMs - 2 * calmMs) / count;
  const faults = random.shuffled(chosen).map((kind, slot): Fault => ({
    kind,
    atMs: Math.round(calmMs + (slot + random.next() * 0.8) * slotMs),
    forMs: random.between(...durationsMs[kind]),
    target: random.between(0, 11),
  }));
  return {
    engine,
    seed,
    durationMs,
    consumers: random.between(2, 4),
    producers: random.between(1, 3),
    rate: random.pick(engine === 'kinesis' ? [5, 10, 20] : [20, 40, 80]),
    byPattern: random.next() < 0.5,
    faults,
  };
}

/** A schedule as text, one fault per line. */
export function describeSchedule(schedule: Schedule): string {
  const { engine, seed, durationMs, consumers, producers, rate, byPattern, faults } = schedule;
  const isSingle = engine === 'memory' || engine === 'durable-memory';
  const who = isSingle
    ? `one process, ${rate} events/s`
    : `${consumers} consumers ${byPattern ? 'by pattern' : 'by topic'}, ${producers} producers of ${rate} events/s`;
  const lines = faults.map(
    ({ kind, atMs, forMs, target }) =>
      `  ${(atMs / 1000).toFixed(1).padStart(5)} s  ${kind}${forMs > 0 ? ` for ${(forMs / 1000).toFixed(1)} s` : ''} (${target})`,
  );
  return [`${engine}, seed ${seed}, ${durationMs / 1000} s: ${who}`, ...lines].join('\n');
}
