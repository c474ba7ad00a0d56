import { parseArgs } from 'node:util';

/** The engines that a soak can run on, with the events per second of a run without `--rate`: what a modest machine bears. */
export const usualRates = {
  memory: 2000,
  'redis-streams': 500,
  kafka: 500,
  kinesis: 50,
} as const;

export type SoakEngine = keyof typeof usualRates;

export const soakEngines = Object.keys(usualRates) as SoakEngine[];

export interface SoakOptions {
  readonly engine: SoakEngine;
  readonly minutes: number;
  /** Events per second. */
  readonly rate: number;
  readonly isRecording: boolean;
}

export const usage = `npm run soak -- --engine kafka [--minutes 10] [--rate 500] [--record]

  --engine   ${soakEngines.join(', ')}
  --minutes  how long events are published (default 10)
  --rate     events per second (default ${soakEngines.map((one) => `${usualRates[one]} on ${one}`).join(', ')})
  --record   appends the result to docs/reliability/soak.jsonl`;

/** @throws Error that says what is wrong. */
export function readOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      engine: { type: 'string' },
      minutes: { type: 'string', default: '10' },
      rate: { type: 'string' },
      record: { type: 'boolean', default: false },
    },
  });
  const engine = soakEngines.find((one) => one === values.engine);
  if (engine === undefined) throw new Error(`--engine must be one of ${soakEngines.join(', ')}`);
  return {
    engine,
    minutes: positive('minutes', values.minutes),
    rate: positive('rate', values.rate ?? String(usualRates[engine])),
    isRecording: values.record,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, got "${text}"`);
  return value;
}
