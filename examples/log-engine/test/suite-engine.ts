import { join } from 'node:path';
import type { EngineUnderTest } from '@polybus/conformance';
import { logEngine } from '../src/index.ts';

/** The engine of the conformance suite. The suite also loads this file in child processes. */
export const engineUnderTest: EngineUnderTest<{ readonly folder: string }> = ({
  id,
  stallLimitMs,
  leaseMs,
  config,
}) => logEngine({ folder: join(config.folder, id), stallLimitMs, leaseTimeout: leaseMs });
