import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { SoakEngine } from './options.ts';
import type { SoakResult } from './run-soak.ts';

const path = fileURLToPath(new URL('../../docs/reliability/soak.jsonl', import.meta.url));

/** One soak. */
interface RecordedSoak extends SoakResult {
  readonly engine: SoakEngine;
  readonly commit: string;
  readonly date: string;
  readonly node: string;
  /** With its version; undefined for engines without a broker. */
  readonly broker?: string;
  readonly minutes: number;
  /** Events per second. */
  readonly rate: number;
}

export function recordSoak(soak: RecordedSoak): void {
  appendFileSync(path, `${JSON.stringify(soak)}\n`);
}
