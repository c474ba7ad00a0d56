import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    silent: 'passed-only',
    projects: [
      'packages/*',
      'packages/engine-kafka/vitest.platformatic.config.ts',
      'examples/custom-engine',
      'examples/log-engine',
      'examples/multi-broker',
      'examples/shop',
      'tests',
      'tests/brokers',
    ],
  },
});
