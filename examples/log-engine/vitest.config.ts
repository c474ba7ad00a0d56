import { defineProject, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// Only for this repository, whose tests run without a build. An engine in its own repository needs no such file.
export default mergeConfig(shared, defineProject({ test: { name: 'log-engine' } }));
