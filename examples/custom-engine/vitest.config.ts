import { fileURLToPath } from 'node:url';
import { defineProject, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// Only for this repository, whose tests run without a build. An engine in a repository of its own needs no such file.
const source = fileURLToPath(new URL('src/index.ts', import.meta.url));

export default mergeConfig(
  shared,
  defineProject({
    resolve: { alias: { 'polybus-engine-custom': source } },
    test: { name: 'custom-engine' },
  }),
);
