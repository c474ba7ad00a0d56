import type { EngineUnderTest } from '@polybus/conformance';
import { kafkaEngine } from '../src/index.ts';
import { quick } from './quick.ts';

/** The engine of the conformance suite. The suite also loads this file in child processes. */
export const engineUnderTest: EngineUnderTest<{ readonly brokers: readonly string[] }> = ({
  id,
  stallLimitMs,
  leaseMs = quick.sessionTimeoutMs,
  config: { brokers },
}) =>
  kafkaEngine({
    ...quick,
    sessionTimeoutMs: leaseMs,
    brokers,
    stallLimitMs,
    numPartitions: 3,
    delayedTopics: `_delayed-${id}`,
  });
