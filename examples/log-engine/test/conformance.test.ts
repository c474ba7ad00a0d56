import { describeEngine } from '@polybus/conformance';
import { LogBroker, logEngine } from '../src/index.ts';

const url = 'suite';
const broker = LogBroker.at(url);

describeEngine(
  'log',
  ({ stallLimitMs, leaseMs }) => logEngine({ url, stallLimitMs, leaseTimeout: leaseMs }),
  {
    broker: {
      restart: async () => {
        broker.setUp(false);
        await new Promise((resolve) => setImmediate(resolve));
        broker.setUp(true);
      },
      pause: async () => broker.setUp(false),
      resume: async () => broker.setUp(true),
    },
    produce: async (topic, bytes) => broker.append(topic, undefined, bytes),
  },
);
