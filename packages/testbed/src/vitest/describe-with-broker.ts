import { describe, expect, inject, test } from 'vitest';
import { isCI } from '../environment.ts';
import type { Provided, SharedBroker } from './provided.ts';
import type { BrokerName } from '../types.ts';
import { notRun } from './reporter.ts';

function provided<N extends BrokerName>(name: N): Provided<N> | undefined {
  return inject(`polybus.${name}`) as Provided<N> | undefined;
}

/**
 * The broker that the run started for this project, for tests that find no place in {@link describeWithBroker}.
 *
 * @throws Error when the project's configuration does not ask for it, or when it is missing
 */
export function sharedBroker<N extends BrokerName>(name: N): SharedBroker<N> {
  const outcome = provided(name);
  if (outcome === undefined) {
    throw new Error(
      `this vitest project does not ask for ${name}: merge withBrokers('${name}') into its configuration`,
    );
  }
  if (outcome.status === 'missing') throw new Error(outcome.reason);
  return outcome.broker;
}

/**
 * In place of a suite's tests where their broker is missing: they may want its address before they run, so they are not
 * even collected, and a suite without any would not show.
 */
function standIn(): void {
  test('needs its broker', () => {
    expect.unreachable('a suite whose broker is missing was run');
  });
}

/**
 * A suite that needs a broker; `suite` is given the one that the run started. Where it is missing, the suite shows as not
 * run, and the end of the run names it. The broker is shared with other suites: one that pauses or ends its broker
 * starts its own inside (`startRedis({ controllable: true })`).
 *
 * @throws Error when the project's configuration does not ask for the broker, or when it is missing in a CI run
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
