import type { EngineUnderTest } from '@polybus/conformance';
import { redisEngine } from '../src/index.ts';

/** The engine of the conformance suite. The suite also loads this file in child processes. */
export const engineUnderTest: EngineUnderTest<{
  readonly url: string;
  readonly mode: 'pubsub' | 'streams';
}> = ({ id, stallLimitMs, leaseMs, config: { url, mode } }) =>
  redisEngine({ mode, url, keyPrefix: `${id}:`, stallLimitMs, claimIdleMs: leaseMs });
