/** Runs schedules of faults on an engine, and ends with 1 if a promise did not hold. */
import { type Options, readOptions, usage } from './options.ts';
import { currentCommit, readRecord, record } from './record.ts';
import { type ChaosBroker, startBroker } from './run/broker.ts';
import { type RunResult, disturbanceLines, removeRun, runSchedule } from './run/run-schedule.ts';
import type { EngineName } from './schedule/engines.ts';
import { type Schedule, describeSchedule, makeSchedule } from './schedule/schedule.ts';

const shortMs = 10_000;
/** Schedules with the faults that matter most: killed and frozen members, brokers that restart, and what once broke a promise. */
const shortSeeds: Readonly<Record<EngineName, readonly number[]>> = {
  'redis-streams': [20, 22, 42],
  kafka: [42, 56],
  kinesis: [19, 37],
  'redis-pubsub': [16, 34],
  memory: [1, 2],
  'durable-memory': [1],
};

async function main(): Promise<void> {
  const options = optionsOrUsage();
  process.exitCode = 2;
  if (options === undefined) return;
  const failures: string[] = [];
  const commit = currentCommit();
  for (const engine of options.engines) {
    const schedules = schedulesOf(options, engine, commit);
    if (options.isDryRun) for (const one of schedules) console.log(describeSchedule(one));
    else failures.push(...(await runAll(schedules, options, commit)));
  }
  for (const line of failures) console.error(line);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

function optionsOrUsage(): Options | undefined {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return undefined;
  }
}

function schedulesOf(
  { seeds, durationMs, isRecording, isShort }: Options,
  engine: EngineName,
  commit: string,
): Schedule[] {
  if (isShort) return shortSeeds[engine].map((seed) => makeSchedule(engine, seed, shortMs));
  const known = isRecording
    ? readRecord().filter((run) => run.engine === engine && run.commit === commit)
    : [];
  return seeds
    .filter((seed) => !known.some((run) => run.seed === seed))
    .map((seed) => makeSchedule(engine, seed, durationMs));
}

/** Runs the schedules of an engine on one broker. Returns a line for each that failed. */
async function runAll(schedules: readonly Schedule[], options: Options, commit: string): Promise<string[]> {
  const failures: string[] = [];
  if (schedules.length === 0) return failures;
  const { engine } = schedules[0]!;
  let broker = await startBroker(engine);
  try {
    for (const schedule of schedules) {
      const failure = await runOne(schedule, broker, options, commit);
      if (failure === undefined) continue;
      const replay = `npm run chaos -- --engine ${engine} --seeds ${schedule.seed} --duration ${schedule.durationMs / 1000}s`;
      failures.push(`${engine}, seed ${schedule.seed}: ${failure}. Again: ${replay}`);
      // The next schedule must not suffer from this one.
      await broker?.stop();
      broker = await startBroker(engine);
    }
  } finally {
    await broker?.stop();
  }
  return failures;
}

/** Runs a schedule, prints the result and records it. Returns why it failed; undefined if every promise held. */
async function runOne(
  schedule: Schedule,
  broker: ChaosBroker | undefined,
  options: Options,
  commit: string,
): Promise<string | undefined> {
  const { engine, seed, durationMs } = schedule;
  const date = new Date().toISOString();
  console.log(describeSchedule(schedule));
  let result: RunResult;
  try {
    result = await runSchedule(schedule, broker);
  } catch (error) {
    // Nothing can be said about the promises, so this is not recorded.
    return `the schedule could not be run: ${String(error)}`;
  }
  console.log(summary(result));
  const { happened: faults, folder, ...found } = result;
  const version = broker === undefined ? {} : { broker: broker.version };
  const about = { engine, seed, commit, date, node: process.version, ...version, durationMs, faults };
  if (options.isRecording) record({ ...about, ...found });
  if (result.broken.length > 0) {
    for (const line of result.broken) console.log(`    BROKEN: ${line}`);
    // In CI, the ledgers are gone when a person looks.
    for (const line of disturbanceLines(result)) console.log(`      ${line}`);
    return `a promise was broken: ${result.broken.join('; ')}. Ledgers: ${folder}`;
  }
  if (options.isKeeping) console.log(`  ledgers: ${folder}`);
  else removeRun(result);
  return undefined;
}

function summary(result: RunResult): string {
  const { accepted, rejected, rejectedWith, handlers, repeated, overlapping, takeoverMs, returnMs } = result;
  const show = (counts: object): string =>
    Object.entries(counts)
      .map(([cause, count]) => `${count} ${cause}`)
      .join(' ') || '0';
  return [
    `  accepted ${accepted}, rejected ${rejected} (${show(rejectedWith)}), handlers ${handlers}, given up ${result.givenUp}`,
    `  lost ${result.lost}, stuck ${result.stuck}, reordered ${result.reordered}, repeated ${show(repeated)}, at once ${show(overlapping)}`,
    `  unseen ${result.unseen}, unaccounted ${result.unaccounted}, takeover ${takeoverMs.join(' ')} ms, return ${returnMs.join(' ')} ms`,
  ].join('\n');
}

await main();
// Otherwise, a process on Node 20 sometimes spins for ever while Node.js closes its handles (`Environment::CleanupHandles`).
process.exit();
