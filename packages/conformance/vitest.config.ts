import { defineProject, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// Broken engines spend their time waiting for what never happens: they do it together.
export default mergeConfig(shared, defineProject({ test: { name: 'conformance', maxConcurrency: 30 } }));
