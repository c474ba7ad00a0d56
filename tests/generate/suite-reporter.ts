import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { format } from 'prettier';
import type { Reporter, TestModule } from 'vitest/node';
import type { Provided } from '@polybus/testbed/vitest';
import type { BrokerName } from '@polybus/testbed';
import { root } from '../test/docs/blocks.ts';
import { type SuiteResult, resultsFile } from './suite-results.ts';

/** Writes the result of each case of the suites that were run; see `npm run results`. */
export default class SuiteReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const results = modules.map((module) => [relative(root, module.moduleId), resultOf(module)] as const);
    const sorted = results.toSorted(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify(Object.fromEntries(sorted));
    writeFileSync(join(root, resultsFile), await format(text, { parser: 'json', printWidth: 110 }));
  }
}

function resultOf(module: TestModule): SuiteResult {
  const all = [...module.children.allTests()];
  const namesOf = (isPassed: boolean): string[] =>
    all.filter((test) => (test.result().state === 'passed') === isPassed).map(({ name }) => name);
  return { broker: brokerOf(module), passed: namesOf(true), notPassed: namesOf(false) };
}

/** Suites start their own brokers, with the providers of the run. */
function brokerOf({ project, relativeModuleId }: TestModule): string {
  const [needed] = project.config.provide['polybus.needs'] ?? [];
  if (needed === undefined) return '';
  const provided = project.getProvidedContext()[`polybus.${needed}`] as Provided<BrokerName>;
  if (provided.status === 'missing') throw new Error(`${relativeModuleId} was not run: ${provided.reason}`);
  const { provider, version } = provided.broker;
  if (provider === 'url')
    throw new Error(`${needed} was given by address: it is not the one that the suite restarts`);
  return version.startsWith(needed) ? version : `${needed} ${version}`;
}
