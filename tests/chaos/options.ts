import { parseArgs } from 'node:util';
import { type EngineName, engineNames } from './schedule/engines.ts';

/** What the command line asks for. */
export interface Options {
  readonly engines: readonly EngineName[];
  readonly seeds: readonly number[];
  readonly durationMs: number;
  /** Appends to the record, and skips what the record has. */
  readonly isRecording: boolean;
  /** Prints the schedules and runs none. */
  readonly isDryRun: boolean;
  readonly isShort: boolean;
  /** Keeps the ledgers of schedules that broke no promise, too. */
  readonly isKeeping: boolean;
}

export const usage = `npm run chaos -- --engine kafka --seeds 1-50 [--duration 40s] [--record]
npm run chaos -- --short

  --engine    ${engineNames.join(', ')}; several with commas
  --seeds     7, 1-50, or several with commas
  --duration  how long producers publish (default 40s)
  --record    appends each run to the record, and skips the seeds that the record has for this commit
  --keep      keeps all ledgers, not only those of a broken promise
  --print     prints the schedules and runs none
  --short     a dozen short schedules over all engines`;

/** @throws Error that says what is wrong. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      engine: { type: 'string' },
      seeds: { type: 'string' },
      duration: { type: 'string', default: '40s' },
      record: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      print: { type: 'boolean', default: false },
      short: { type: 'boolean', default: false },
    },
  });
  return {
    engines: values.engine === undefined ? engineNames : values.engine.split(',').map(engineOf),
    seeds: (values.seeds ?? '1').split(',').flatMap(rangeOf),
    durationMs: durationOf(values.duration),
    isRecording: values.record,
    isDryRun: values.print,
    isShort: values.short,
    isKeeping: values.keep,
  };
}

function engineOf(name: string): EngineName {
  const engine = engineNames.find((one) => one === name);
  if (engine === undefined) throw new Error(`no engine "${name}"; there are ${engineNames.join(', ')}`);
  return engine;
}

function rangeOf(text: string): number[] {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (first === undefined) throw new Error(`expected seeds such as 7 or 1-50, got "${text}"`);
  const count = Number(last) - Number(first) + 1;
  return Array.from({ length: count }, (_, i) => Number(first) + i);
}

function durationOf(text: string): number {
  const [, seconds] = /^(\d+)s$/.exec(text) ?? [];
  if (seconds === undefined || Number(seconds) < 8) throw new Error(`expected at least 8s, got "${text}"`);
  return Number(seconds) * 1000;
}
