import { describe, expect, inject, test } from 'vitest';
import { isCI } from '../environment.ts';
import type { Provided, SharedBroker } from './provided.ts';
import type { BrokerName } from '../types.ts';
import { notRun } from './reporter.ts';

function provided<N extends BrokerName>(name: N): Provided<N> | undefined {
  return inject(`polybus.${name}`) as Provided<N> | undefined;
}

/**
 * Returns the broker that the run started for this project, for tests outside of {@link describeWithBroker}.
 *
 * @throws Error if the configuration of the project does not request it, or it is missing
 */
export function sharedBroker<N extends BrokerName>(name: N): SharedBroker<N> {
  const outcome = provided(name);
  if (outcome === undefined) {
    throw new Error(
      `this vitest project does not request ${name}: merge withBrokers('${name}') into its configuration`,
    );
  }
  if (outcome.status === 'missing') throw new Error(outcome.reason);
  return outcome.broker;
}

/**
 * Replaces the tests of a suite whose broker is missing. The tests may need its address while they are collected, and a suite without
 * tests would not be reported.
 */
function standIn(): void {
  test('needs its broker', () => {
    expect.unreachable('a suite whose broker is missing was run');
  });
}

/**
 * Registers a suite that needs a broker; `suite` gets the broker that the run started. If it is missing, the suite is reported as not
 * run, and the end of the run lists it. Suites share the broker: a suite that pauses or ends a broker starts its own
 * (`startRedis({ controllable: true })`).
 *
 * @throws Error if the configuration of the project does not request the broker, or it is missing in a CI run
 */
export function describeWithBroker<N extends BrokerName>(
  name: N,
  title: string,
  suite: (broker: SharedBroker<N>) => void | Promise<void>,
): void {
  const missing = provided(name)?.status === 'missing' && !isCI();
  const broker = missing ? undefined : sharedBroker(name);
  const suffix = missing ? ` ${notRun(name)}` : '';
  describe.skipIf(missing)(`${title}${suffix}`, async () => {
    if (broker === undefined) standIn();
    else await suite(broker);
  });
}
