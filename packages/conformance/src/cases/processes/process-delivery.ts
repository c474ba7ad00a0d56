import type { ConformanceCase } from '../../conformance-case.ts';
import { roomy } from '../../support/subscriptions.ts';
import { defineProcessCases } from './define.ts';
import { numbers } from '../../support/numbers.ts';

const needs = { crossProcess: true } as const;

/** What reaches the subscriptions of other processes. */
export const processDeliveryCases: readonly ConformanceCase[] = defineProcessCases('process-delivery', [
  {
    name: 'three child processes each get every event that any of them publishes',
    rules: [1, 5],
    needs,
    async run(t) {
      const processes = await Promise.all([t.process(), t.process(), t.process()]);
      await Promise.all(processes.map((one) => one.subscribe(t.topic('*'), roomy)));
      for (const [n, one] of processes.entries())
        await one.publish([{ topic: t.topic(`from-${n + 1}`), payload: n + 1 }]);
      for (const { number } of processes) {
        const got = (): string =>
          t.history
            .of(number)
            .map(({ payload }) => payload)
            .toSorted((a, b) => a - b)
            .join(', ');
        await t.eventually(
          () => got() === '1, 2, 3',
          () =>
            `process ${number} to get the events of the processes 1, 2 and 3; it got those of ${got() || 'none'}`,
        );
      }
    },
  },
  {
    name: 'an event arrives in other processes if its publisher is killed right after publish() resolves',
    rules: [1, 4],
    needs,
    async run(t) {
      const [publisher, reader] = await Promise.all([t.process(), t.process()]);
      await reader.subscribeAsync(t.topic(), roomy);
      await publisher.publishAndDie(
        numbers(20).map((n) => ({ topic: t.topic(), payload: n, key: `key-${n % 4}` })),
      );
      const missing = (): number[] => t.history.missing(numbers(20));
      await t.eventually(
        () => missing().length === 0,
        () =>
          `the events whose publish resolved before the publisher was killed; missing ${missing().join(', ')}`,
      );
    },
  },
  {
    name: 'a delayed event arrives in other processes if its publisher is killed right after publish() resolves',
    rules: [4, 17],
    needs: { ...needs, delay: true, durable: true },
    async run(t) {
      const [publisher, reader] = await Promise.all([t.process(), t.process()]);
      await reader.subscribeAsync(t.topic(), roomy);
      const events = numbers(20).map((n) => ({ topic: t.topic(), payload: n, key: `key-${n % 4}` }));
      await publisher.publishAndDie(events, { delayMs: 1000 });
      const missing = (): number[] => t.history.missing(numbers(20));
      await t.eventually(
        () => missing().length === 0,
        () => `the delayed events of the publisher that was killed; missing ${missing().join(', ')}`,
      );
    },
  },
]);
