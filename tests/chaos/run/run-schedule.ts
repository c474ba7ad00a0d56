import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type History, groupOf, historyOf } from '../check/history.ts';
import { unhandled } from '../check/check-group.ts';
import { type Judgement, judge } from '../check/judge.ts';
import { now } from '../ledger/clock.ts';
import { LedgerWriter, readLedgers } from '../ledger/ledger-file.ts';
import { durableEngines } from '../schedule/engines.ts';
import type { Fault, Schedule } from '../schedule/schedule.ts';
import type { ChaosBroker } from './broker.ts';
import { Fleet } from './fleet.ts';
import { Injector, delay } from './inject.ts';
import type { Program } from './program.ts';

/** At the beginning, processes have so long until they work, in milliseconds. */
const readyMs = 60_000;
/** After the load, the group has so long for the events that are left, in milliseconds. */
const drainMs = 60_000;
/** After that, a last member has so long. */
const lastMemberMs = 20_000;
/** Time for repeats and drops that come late. */
const settleMs = 1000;

/** What a run gave. */
export interface RunResult extends Judgement {
  /** The faults that happened; a fault is left out if there was no process that it could happen to. */
  readonly happened: readonly Fault[];
  readonly processes: number;
  /** The ledgers and logs. */
  readonly folder: string;
}

/** Runs a schedule and judges it. The ledgers stay in their folder. */
export async function runSchedule(schedule: Schedule, broker: ChaosBroker | undefined): Promise<RunResult> {
  const { engine, seed, byPattern, rate } = schedule;
  const folder = mkdtempSync(join(tmpdir(), `polybus-chaos-${engine}-${seed}-`));
  const prefix = `chaos-${seed}-${Date.now().toString(36)}`;
  const topics = ['orders', 'payments'].map((name) => `${prefix}.${name}`);
  const ledger = new LedgerWriter(folder, 'runner');
  const address = broker?.address ?? '';
  const fleet = new Fleet({ engine, folder, address, prefix, topics, byPattern, rate }, seed);
  try {
    await startAll(fleet, schedule, folder);
    const injector = new Injector(fleet, broker, ledger, { prefix, topics });
    const happened = await load(fleet, injector, schedule);
    await drain(fleet, schedule, folder, ledger);
    const judgement = judge(engine, historyOf(readLedgers(folder)));
    const broken = [...judgement.broken, ...(await badEnds(fleet, folder))];
    return { ...judgement, broken, happened, processes: fleet.all.length, folder };
  } finally {
    await fleet.killAll();
    ledger.close();
    await broker?.clean(prefix);
  }
}

async function startAll(
  fleet: Fleet,
  { engine, consumers, producers }: Schedule,
  folder: string,
): Promise<void> {
  if (engine === 'memory' || engine === 'durable-memory') {
    await allReady([fleet.start('all')], folder);
    return;
  }
  const members = Array.from({ length: consumers }, () => fleet.start('consumer'));
  if (durableEngines.includes(engine)) members.push(fleet.start('observer'));
  await allReady(members, folder);
  await allReady(
    Array.from({ length: producers }, () => fleet.start('producer')),
    folder,
  );
}

/** @throws Error if a process does not work in time, although nothing happens to the broker yet. */
async function allReady(programs: readonly Program[], folder: string): Promise<void> {
  const isReady = (): boolean => programs.every(({ isBusy }) => !isBusy);
  if (await within(readyMs, isReady)) return;
  const late = programs
    .filter(({ isBusy }) => isBusy)
    .map(({ name }) => `${name} (${lastWords(folder, name)})`);
  throw new Error(`not ready after ${readyMs / 1000} s: ${late.join(', ')}`);
}

/** The codes of the failed starts of a process, and the end of its log. */
function lastWords(folder: string, name: string): string {
  const entries = readLedgers(folder).find((ledger) => ledger.process === name)?.entries ?? [];
  const codes = entries.flatMap((entry) => (entry.is === 'start-failed' ? entry.code : []));
  return `failed starts: ${[...new Set(codes)].join(', ') || 'none'}; log: ${lastLines(join(folder, `${name}.log`))}`;
}

/** Lets the producers publish, with the faults at their times; resolves when all faults are over and every publish has settled. */
async function load(fleet: Fleet, injector: Injector, { faults, durationMs }: Schedule): Promise<Fault[]> {
  const start = now();
  const until = (atMs: number): Promise<void> => delay(start + atMs - now());
  const injected = faults.map(async (fault) => {
    await until(fault.atMs);
    return (await injector.inject(fault)) ? [fault] : [];
  });
  // Together, so that a fault that cannot be injected is noticed at once.
  const [results] = await Promise.all([Promise.all(injected), until(durationMs)]);
  const happened = results.flat();
  await Promise.all([fleet.endAll('producer'), ...fleet.running('all').map((one) => one.quiet())]);
  return happened;
}

/** Waits until every accepted event is handled, then ends all processes in order. */
async function drain(
  fleet: Fleet,
  { engine }: Schedule,
  folder: string,
  ledger: LedgerWriter,
): Promise<void> {
  const isDone = (): boolean => isHandled(historyOf(readLedgers(folder)));
  const isDurable = durableEngines.includes(engine);
  const done = isDurable ? await within(drainMs, isDone) : true;
  await delay(settleMs);
  await fleet.endAll('consumer', 'observer', 'all');
  if (done) return;
  ledger.write({ is: 'last-member' });
  const last = fleet.start('consumer');
  await Promise.race([last.ready, delay(lastMemberMs)]);
  await within(lastMemberMs, isDone);
  await fleet.end(last);
}

function isHandled(history: History): boolean {
  return ['group', 'observer'].every((sub) => unhandled(history, groupOf(history, sub)).lost.length === 0);
}

async function within(ms: number, isDone: () => boolean): Promise<boolean> {
  for (const end = now() + ms; now() < end; await delay(300)) if (isDone()) return true;
  return false;
}

/** Processes that crashed, or did not end in order although nobody killed them. */
async function badEnds(fleet: Fleet, folder: string): Promise<string[]> {
  const ends = fleet.all.map(async ({ name, isKilled, ended }) => {
    const how = await ended;
    if (fleet.late.includes(name)) return [`${name} did not end in time after SIGTERM`];
    // Before it works, SIGTERM ends a process at once.
    if (isKilled || how === 'exit code 0' || how === 'SIGTERM') return [];
    return [`${name} ended with ${how}: ${lastLines(join(folder, `${name}.log`))}`];
  });
  return (await Promise.all(ends)).flat();
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-3).join(' | ');
}

/** What was done and when, by the clock of the ledgers, which the lines about broken promises use. */
export function disturbanceLines({ folder }: RunResult): string[] {
  return historyOf(readLedgers(folder))
    .disturbances.toSorted((a, b) => a.from - b.from)
    .map(
      ({ how, process = 'all processes', from, until }) =>
        `${from.toFixed(0)} to ${until.toFixed(0)}: ${how}, ${process}`,
    );
}

/** Removes the ledgers and logs of a run. */
export function removeRun({ folder }: RunResult): void {
  rmSync(folder, { recursive: true, force: true });
}
