import type { EngineUnderTest } from '@polybus/conformance';
import { __factory__ } from '../src/index.ts';

/** The engine of the conformance suite. The suite also loads this file in child processes. */
export const engineUnderTest: EngineUnderTest<{ readonly url: string }> = ({ stallLimitMs, config }) =>
  __factory__({ url: config.url, stallLimitMs });
