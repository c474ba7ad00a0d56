import { defineProject, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';
import { withBrokers } from '../../packages/testbed/src/vitest/config.ts';

export default mergeConfig(
  mergeConfig(shared, withBrokers('redis', 'kafka', 'kinesis')),
  defineProject({ test: { name: 'shop' } }),
);
