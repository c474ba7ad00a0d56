import type { ViteUserConfig } from 'vitest/config';

/** Options that every package's vitest project shares: workspace packages resolve to their sources, no build needed. */
export const shared = {
  resolve: { conditions: ['@polybus/source', 'import', 'default', 'node'] },
  ssr: { resolve: { conditions: ['@polybus/source', 'import', 'default', 'node'] } },
  test: {
    environment: 'node',
    // Limits, not waits: a broker that starts in a container on a busy machine takes its time.
    testTimeout: 60_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
    include: ['test/**/*.test.ts'],
  },
} satisfies ViteUserConfig;
