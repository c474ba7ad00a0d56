import type { ViteUserConfig } from 'vitest/config';

/** The options of every package's vitest project. Workspace packages resolve to their sources, so that no build is needed. */
export const shared = {
  resolve: { conditions: ['@polybus/source', 'import', 'default', 'node'] },
  ssr: { resolve: { conditions: ['@polybus/source', 'import', 'default', 'node'] } },
  test: {
    environment: 'node',
    // Limits, not waits: a broker can start slowly in a container on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
    include: ['test/**/*.test.ts'],
  },
} satisfies ViteUserConfig;
