import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Judgement } from './check/judge.ts';
import type { EngineName } from './schedule/engines.ts';
import type { Fault } from './schedule/schedule.ts';

/** Where runs are recorded, from the root. */
export const recordFile = 'docs/reliability/record.jsonl';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** One schedule that was run. */
export interface RecordedRun extends Judgement {
  readonly engine: EngineName;
  readonly seed: number;
  /** The commit that was tested; with `+` if files had been changed since. */
  readonly commit: string;
  /** When it began. */
  readonly date: string;
  readonly node: string;
  /** With its version; undefined for engines without a broker. */
  readonly broker?: string;
  readonly durationMs: number;
  readonly processes: number;
  readonly faults: readonly Fault[];
}

/** The runs that are recorded: of each engine and seed, the last. */
export function readRecord(path: string = root + recordFile): RecordedRun[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  const runs = lines.map((line) => JSON.parse(line) as RecordedRun);
  return [...new Map(runs.map((run) => [`${run.engine} ${run.seed}`, run])).values()];
}

/** Appends a run in one write, so that several runners can record at a time. */
export function record(run: RecordedRun, path: string = root + recordFile): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${JSON.stringify(run)}\n`);
}

/** The commit that a run belongs to. What does not change the engines or the harness is left out. */
export function currentCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'packages', 'tests/chaos');
  return git('rev-parse', '--short=10', 'HEAD') + (changed === '' ? '' : '+');
}
