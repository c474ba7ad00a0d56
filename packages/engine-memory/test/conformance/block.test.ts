import { describeEngine } from '@polybus/conformance';
import { memoryEngine } from '../../src/index.ts';

// Small bounds, so that publishers often wait. A hundred events of one topic is the least that the suite works with.
describeEngine('memory, block', ({ stallLimitMs }) =>
  memoryEngine({
    stallLimitMs,
    deliveryMode: 'block',
    defaultEventBufferSize: 1,
    maxEventQueueSize: 100,
    workerCount: 4,
  }),
);
