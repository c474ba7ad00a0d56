import { describeEngine } from '@polybus/conformance';
import { Broker } from '../src/broker.ts';
import { __factory__ } from '../src/index.ts';

const url = 'suite';
const broker = Broker.at(url);

describeEngine('__TYPE__', ({ stallLimitMs }) => __factory__({ url, stallLimitMs }), {
  broker: {
    restart: async () => {},
    pause: async () => void (broker.isUp = false),
    resume: async () => void (broker.isUp = true),
  },
  produce: async (topic, bytes) => broker.append(topic, bytes),
});
