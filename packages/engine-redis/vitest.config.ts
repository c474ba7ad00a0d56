import { defineProject, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';
import { withBrokers } from '../testbed/src/vitest/config.ts';

export default mergeConfig(
  mergeConfig(shared, withBrokers('redis')),
  // Tests start processes and servers, on machines that do other things too.
  defineProject({ test: { name: 'engine-redis', testTimeout: 180_000 } }),
);
