import { describeEngine } from '@polybus/conformance';
import { memoryEngine } from '../../src/index.ts';

// As it comes: a buffer of ten events, and what does not fit is dropped.
describeEngine('memory, drop', ({ stallLimitMs }) => memoryEngine({ stallLimitMs }));
