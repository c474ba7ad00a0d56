import { createEventBus } from '@polybus/core';
import { startLater } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { kafkaEngine } from '../../src/index.ts';
import { ownKafka } from './foreign.ts';
import { Flow, newName, startEngine, until } from '../support.ts';

/** The time for two restarts and for the conditions of a test. */
const restartsMs = 300_000;

describeWithBroker('kafka', 'outages', async () => {
  const broker = await ownKafka();
  const { brokers } = broker;
  const roomy = { bufferSize: 100_000 };

  test(
    'lose no accepted event while the broker restarts under load, in a group and without',
    async () => {
      const [topic, group] = [newName('load'), newName('g')];
      const [publisher, consumer] = [
        await startEngine({ brokers, numPartitions: 3 }),
        await startEngine({ brokers }),
      ];
      const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
      await consumer.subscribeAsync(topic, ({ payload }) => void grouped.add(payload), { ...roomy, group });
      await consumer.subscribe(`${topic.slice(0, -1)}*`, ({ payload }) => void plain.add(payload), roomy);
      const flow = new Flow(publisher, topic);
      for (let restart = 0; restart < 2; restart++) {
        await flow.reaches(200);
        await broker.restart();
      }
      await flow.reaches(200);
      await flow.end();
      await until('every accepted event in the group', () => flow.accepted.every((n) => grouped.has(n)));
      await until('every accepted event without a group', () => flow.accepted.every((n) => plain.has(n)));
      expect(new Set(flow.refused)).toEqual(new Set(flow.refused.length === 0 ? [] : ['PUBLISH_FAILED']));
    },
    restartsMs,
  );

  test(
    'do not prevent that events in running handlers are settled after the broker was killed',
    async () => {
      const [topic, group] = [newName(), newName('g')];
      const engine = await startEngine({ brokers });
      const begun: unknown[] = [];
      let open!: () => void;
      const opened = new Promise<void>((resolve) => (open = resolve));
      await engine.subscribe(
        topic,
        async ({ payload }) => {
          begun.push(payload);
          if (payload === 0) await opened;
        },
        { group },
      );
      await engine.publish({ topic, payload: 0 });
      await until('the handler to run', () => begun.length === 1);
      await broker.kill();
      open();
      await broker.restart();
      await until('the engine to be up', async () => (await engine.health()).status === 'up');
      await engine.publish({ topic, payload: 1 });
      await until('the next event', () => begun.includes(1));
      expect(new Set(begun)).toEqual(new Set([0, 1]));
    },
    restartsMs,
  );

  test('do no harm if one of several addresses answers', async () => {
    const engine = await startEngine({ brokers: ['127.0.0.1:1', ...brokers] });
    expect((await engine.health()).status).toBe('up');
  });

  test(
    'start of a bus names an absent broker, and a later start of the same bus works',
    async () => {
      const engine = kafkaEngine({ brokers, connectTimeoutMs: 2000 });
      const bus = createEventBus({ engines: [{ name: 'late', engine }] });
      expect(await startLater(bus, broker)).toMatchObject({
        code: 'CONNECTION_FAILED',
        engine: 'late',
        message: expect.stringContaining('Check brokers'),
      });
    },
    restartsMs,
  );
});
