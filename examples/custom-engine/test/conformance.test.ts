import { describeEngine } from '@polybus/conformance';
import { customEngine } from '../src/index.ts';

// The bound is over all topics, and the suite asks for room on each.
describeEngine('custom', ({ stallLimitMs }) => customEngine({ stallLimitMs, maxEventQueueSize: 10_000 }));
