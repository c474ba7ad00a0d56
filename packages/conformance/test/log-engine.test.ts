import { describeEngine } from '../src/index.ts';
import { logEngines } from './log/log-engine.ts';

// The suite's cases for brokers, on an engine that has every capability.
const { factory, options } = logEngines();
describeEngine('log', factory, options);
