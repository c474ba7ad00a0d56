import { describeEngine } from '@polybus/conformance';
import { afterAll } from 'vitest';
import { Broker } from '../src/broker.ts';
import { engineUnderTest } from './suite-engine.ts';

const url = `suite-${process.pid}`;
const broker = new Broker(url);
afterAll(() => broker.remove());

describeEngine('__TYPE__', engineUnderTest, {
  broker: {
    restart: async () => {},
    pause: async () => broker.setUp(false),
    resume: async () => broker.setUp(true),
  },
  produce: async (topic, bytes) => broker.append(topic, bytes),
  config: { url },
  processes: { module: new URL('./suite-engine.ts', import.meta.url) },
});
