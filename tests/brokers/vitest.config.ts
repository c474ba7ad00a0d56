import { defineProject, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';
import { withBrokers } from '../../packages/testbed/src/vitest/config.ts';

// Apart from the other tests, so that these start without waiting for a broker.
export default mergeConfig(
  mergeConfig(shared, withBrokers('redis', 'kafka', 'kinesis')),
  defineProject({ test: { name: 'docs-brokers' } }),
);
