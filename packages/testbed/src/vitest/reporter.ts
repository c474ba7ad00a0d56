import type { Reporter, TestModule, TestSpecification } from 'vitest/node';
import './provided.ts';
import { sharedSession } from './session.ts';
import { BROKER_NAMES, type BrokerName } from '../types.ts';

/** The end of the name of a suite that was not run. */
export function notRun(name: BrokerName): string {
  return `[not run: no ${name} broker]`;
}

/** Suites that were not run, by missing broker. */
function suitesNotRun(modules: readonly TestModule[]): ReadonlyMap<BrokerName, readonly string[]> {
  const found = new Map<BrokerName, string[]>();
  for (const module of modules) {
    for (const suite of module.children.allSuites()) {
      const broker = BROKER_NAMES.find((name) => suite.name.endsWith(notRun(name)));
      if (broker === undefined) continue;
      const title = suite.name.slice(0, -notRun(broker).length).trimEnd();
      const line = `${module.project.name} > ${module.relativeModuleId} > ${title}`;
      found.set(broker, [...(found.get(broker) ?? []), line]);
    }
  }
  return found;
}

/** Prints at the end of a run which suites were not run because their broker is missing, and how to run them. */
export class BrokerReporter implements Reporter {
  /** Runs before any project is set up, so that the first project starts the brokers of all projects at the same time. */
  onTestRunStart(specifications: readonly TestSpecification[]): void {
    const { needed } = sharedSession();
    needed.clear();
    for (const { project } of specifications) {
      for (const name of project.config.provide['polybus.needs'] ?? []) needed.add(name);
    }
  }

  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const suites = suitesNotRun(modules);
    if (suites.size === 0) return;
    const lines = ['', '!!! NOT RUN, because a broker is missing:'];
    for (const [broker, titles] of suites) {
      const outcome = await sharedSession().outcomes.get(broker);
      lines.push('', ...titles.map((title) => `  - ${title}`));
      if (outcome?.status === 'missing')
        lines.push('', ...outcome.reason.split('\n').map((line) => `    ${line}`));
    }
    process.stderr.write(`${lines.join('\n')}\n\n`);
  }
}
