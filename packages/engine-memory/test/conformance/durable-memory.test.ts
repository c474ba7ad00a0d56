import { describeEngine } from '@polybus/conformance';
import { durableMemoryEngine } from '../../src/index.ts';

describeEngine('durable-memory', ({ stallLimitMs }) => durableMemoryEngine({ stallLimitMs }));
