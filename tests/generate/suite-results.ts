import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appliesTo, cases } from '@polybus/conformance';
import { root } from '../test/docs/blocks.ts';
import type { EngineVariant } from './engine-variants.ts';

/** The file that `npm run results` writes, from the root. */
export const resultsFile = 'tests/generate/suite-results.json';

/** The result of the suite on one engine. */
export interface SuiteResult {
  /** The broker and its version; empty if there is no broker. */
  readonly broker: string;
  /** The names of the cases that passed. */
  readonly passed: readonly string[];
  /** The names of the cases that did not pass, for any reason. */
  readonly notPassed: readonly string[];
}

/** The results by the test file of the suite, from the root. */
export type SuiteResults = Readonly<Record<string, SuiteResult>>;

export function readResults(): SuiteResults {
  const file = join(root, resultsFile);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as SuiteResults) : {};
}

/**
 * Returns the result of the suite on an engine.
 *
 * @throws an error if a case that its capabilities require did not run or did not pass, or if other cases ran.
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
