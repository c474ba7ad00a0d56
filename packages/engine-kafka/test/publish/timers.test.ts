import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import type { KafkaConfig } from '../../src/index.ts';
import { anotherKafkajs, newName, startEngine, until } from '../support.ts';

const clients: readonly (readonly [string, (brokers: string[]) => KafkaConfig])[] = [
  ['a client of its own', (brokers) => ({ brokers })],
  [
    'a client that was given, of another copy of kafkajs',
    (brokers) => {
      const { Kafka, logLevel } = anotherKafkajs();
      return { client: new Kafka({ brokers, logLevel: logLevel.NOTHING }) };
    },
  ],
];

describeWithBroker('kafka', 'timers', ({ brokers }) => {
  test.each(clients)(
    'never get a negative time, of which Node 24 and later warn, and do not keep an idle engine busy: %s',
    async (_, config) => {
      const real = globalThis.setTimeout;
      const delays: unknown[] = [];
      globalThis.setTimeout = ((callback: () => void, delay?: number, ...args: unknown[]) => {
        delays.push(delay);
        return real(callback, delay, ...(args as []));
      }) as typeof setTimeout;
      const warnings: Error[] = [];
      const warned = (warning: Error): void => void warnings.push(warning);
      process.on('warning', warned);
      onTestFinished(() => {
        globalThis.setTimeout = real;
        process.off('warning', warned);
      });
      const topic = newName();
      const engine = await startEngine(config([...brokers]));
      const seen = new Set<unknown>();
      await engine.subscribe(topic, ({ payload }) => void seen.add(payload), { group: newName('g') });
      await engine.subscribe(topic, ({ payload }) => void seen.add(payload));
      const publishing = Array.from({ length: 200 }, (_, n) => engine.publish({ topic, payload: n }));
      await Promise.all(publishing);
      await until('all events', () => seen.size === 200);
      const isOdd = (delay: unknown): boolean => !(typeof delay === 'number' && delay >= 0);
      const odd = delays.filter(isOdd);
      delays.length = 0;
      const since = performance.now();
      await until('a second to pass', () => performance.now() - since > 1000);
      await engine.stop();
      expect([...odd, ...delays.filter(isOdd)]).toEqual([]);
      expect(warnings.filter(({ name }) => name.startsWith('Timeout'))).toEqual([]);
      // kafkajs by itself sets some 700 a second for each connection, of which there are five.
      expect(delays.filter((delay) => Number(delay) < 5).length).toBeLessThan(100);
    },
  );
});
