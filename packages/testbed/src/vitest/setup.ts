import type { TestProject } from 'vitest/node';
import { isCI } from '../environment.ts';
import { BrokerUnavailableError } from '../errors.ts';
import './provided.ts';
import { sharedSession, type Outcome, type Session } from './session.ts';
import { startByName } from '../start.ts';
import { formatTable } from './table.ts';
import { BROKER_NAMES, type BrokerName } from '../types.ts';

async function start(name: BrokerName): Promise<Outcome> {
  try {
    return { status: 'running', broker: await startByName(name) };
  } catch (error) {
    // A broker that fails to start is an error, not a missing broker.
    if (!(error instanceof BrokerUnavailableError)) throw error;
    return { status: 'missing', name, reason: error.message };
  }
}

async function stopAll(session: Session): Promise<void> {
  const outcomes = [...session.outcomes.values()];
  session.outcomes.clear();
  session.printed.clear();
  for (const outcome of await Promise.allSettled(outcomes)) {
    if (outcome.status === 'fulfilled' && outcome.value.status === 'running')
      await outcome.value.broker.stop();
  }
}

/** Prints the lines of brokers that were not printed yet, so that each appears once even if several projects need it. */
function printTable(session: Session, outcomes: readonly Outcome[]): void {
  const rows = outcomes
    .map((outcome) =>
      outcome.status === 'running' ? outcome.broker : ({ name: outcome.name, missing: true } as const),
    )
    .filter(({ name }) => !session.printed.has(name))
    .sort((a, b) => BROKER_NAMES.indexOf(a.name) - BROKER_NAMES.indexOf(b.name));
  if (rows.length === 0) return;
  for (const { name } of rows) session.printed.add(name);
  // Standard error, because standard output may be a machine-readable report.
  process.stderr.write(`\n${formatTable(rows)}\n\n`);
}

function provide(project: TestProject, outcome: Outcome): void {
  if (outcome.status === 'missing') {
    project.provide(`polybus.${outcome.name}`, { status: 'missing', reason: outcome.reason });
    return;
  }
  const { broker } = outcome;
  const { name, provider, version, startupMs } = broker;
  const info = { provider, version, startupMs };
  if ('url' in broker) {
    project.provide('polybus.redis', { status: 'running', broker: { name, ...info, url: broker.url } });
  } else if ('brokers' in broker) {
    const { brokers, listeners } = broker;
    project.provide('polybus.kafka', { status: 'running', broker: { name, ...info, brokers, listeners } });
  } else {
    const { endpoint, region, credentials } = broker;
    project.provide('polybus.kinesis', {
      status: 'running',
      broker: { name, ...info, endpoint, region, credentials },
    });
  }
}

/**
 * The global set-up of a vitest project, which `withBrokers` adds to its configuration. It starts the brokers of all projects of the
 * run at the same time, provides their addresses to the tests, and ends them with the run.
 *
 * @throws Error if a broker is missing in a CI run, or when a broker does not start
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const session = sharedSession();
  const needs = project.config.provide['polybus.needs'] ?? [];
  const teardown = async (): Promise<void> => {
    session.users -= 1;
    if (session.users === 0) await stopAll(session);
  };
  session.users += 1;
  try {
    for (const name of [...session.needed, ...needs]) {
      if (!session.outcomes.has(name)) session.outcomes.set(name, start(name));
    }
    const outcomes = await Promise.all(session.outcomes.values());
    printTable(session, outcomes);
    const missing = outcomes.flatMap((outcome) => (outcome.status === 'missing' ? [outcome.reason] : []));
    if (missing.length > 0 && isCI()) {
      throw new Error(
        `CI is set, and a CI run must not pass without its brokers.\n\n${missing.join('\n\n')}`,
      );
    }
    for (const outcome of outcomes) provide(project, outcome);
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}
