import { defineProject, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';
import { withBrokers } from '../testbed/src/vitest/config.ts';

export default mergeConfig(
  mergeConfig(shared, withBrokers('kafka')),
  // Longer than what a test waits for one thing, so that it can say what is missing.
  defineProject({ test: { name: 'engine-kafka', testTimeout: 120_000, hookTimeout: 120_000 } }),
);
