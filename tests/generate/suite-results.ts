import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appliesTo, cases } from '@polybus/conformance';
import { root } from '../test/docs/blocks.ts';
import type { EngineVariant } from './engine-variants.ts';

/** Where `npm run results` writes, from the root. */
export const resultsFile = 'tests/generate/suite-results.json';

/** What became of the suite on one engine. */
export interface SuiteResult {
  /** The broker that it ran on, and its version; empty where there is none. */
  readonly broker: string;
  /** The names of the cases that passed. */
  readonly passed: readonly string[];
  /** The names of those that did not, for whatever reason. */
  readonly notPassed: readonly string[];
}

/** By the file of the suite, from the root. */
export type SuiteResults = Readonly<Record<string, SuiteResult>>;

export function readResults(): SuiteResults {
  const file = join(root, resultsFile);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as SuiteResults) : {};
}

/**
 * What became of the suite on an engine.
 *
 * @throws where one of the cases that its capabilities call for did not run or did not pass, or others ran.
 */
export function resultOf({ label, suite, capabilities }: EngineVariant, results: SuiteResults): SuiteResult {
  const { broker, passed, notPassed } = results[suite] ?? { broker: '', passed: [], notPassed: [] };
  const wanted = cases.filter((one) => appliesTo(one, capabilities)).map(({ name }) => name);
  const complaints = [
    ...wanted.filter((name) => !passed.includes(name)).map((name) => `did not pass "${name}"`),
    ...[...passed, ...notPassed].filter((name) => !wanted.includes(name)).map((name) => `ran "${name}"`),
  ];
  if (complaints.length === 0) return { broker, passed, notPassed };
  const some = complaints.slice(0, 5).join(', ');
  throw new Error(
    `the results in ${resultsFile} are not those of the suite as it is: ${label} ${some}. Run: npm run results`,
  );
}
