import { describeEngine } from '@polybus/conformance';
import { memoryEngine } from '../../src/index.ts';

describeEngine('memory, timeout, without a history', ({ stallLimitMs }) =>
  memoryEngine({
    stallLimitMs,
    deliveryMode: 'timeout',
    publishBlockTimeout: '1s',
    rotateSubscriberOrder: true,
    historySize: 0,
  }),
);
