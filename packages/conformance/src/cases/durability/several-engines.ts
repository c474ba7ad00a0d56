import assert from 'node:assert/strict';
import { deadLetterOf } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertOrder } from '../../support/arrivals.ts';
import { turns } from '../../support/eventually.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

/** Several engines on one broker, each of which stands for a process. */
export const severalEngineCases: readonly ConformanceCase[] = defineCases('processes', [
  {
    name: 'an event published in one process reaches the subscriptions of every other process',
    rules: [1, 5],
    needs: { crossProcess: true },
    async run(t) {
      const engines = [await t.started(), await t.started(), await t.started()];
      const recorders = [];
      for (const engine of engines) {
        const seen = t.record<string>();
        await engine.subscribe(t.topic('*'), seen.handler, roomy);
        recorders.push(seen);
      }
      for (const [n, engine] of engines.entries()) await t.publish(engine, t.topic(`from-${n}`), `from ${n}`);
      for (const seen of recorders) {
        await seen.ends(3);
        seen.assertPayloads(['from 0', 'from 1', 'from 2'], 'the subscription of each process');
      }
    },
  },
  {
    name: 'a process that leaves a group hands over without loss or duplicates, and every key stays in order',
    rules: [3, 5, 8],
    needs: { crossProcess: true, groups: true },
    async run(t) {
      const publisher = await t.started();
      const [leaving, staying] = [await t.started(), await t.started()];
      const seen = t.record<number>(() => turns(2));
      const options = { ...roomy, group: t.group() };
      await leaving.subscribe(t.topic(), seen.handler, options);
      await staying.subscribeAsync(t.topic(), seen.handler, { ...options, concurrency: 3 });
      for (let n = 0; n < 100; n++) {
        if (n === 50) void leaving.stop();
        await t.publish(publisher, t.topic(), n, { key: `key-${Math.floor(n / 3) % 6}` });
      }
      await t.within(leaving.stop(), 'stop to resolve');
      await t.eventually(
        () => new Set(seen.payloads).size === 100,
        () => `100 events, not ${new Set(seen.payloads).size}`,
      );
      await t.quiet(publisher);
      seen.assertKeyOrder('the group');
      seen.assertPayloads(numbers(100), 'the group');
    },
  },
  {
    name: 'a dead letter can be read in another process',
    rules: [6],
    needs: { crossProcess: true },
    async run(t) {
      const [engine, other] = [await t.started(), await t.started()];
      const dead = t.record();
      await other.subscribe(
        '_dead.*',
        (event, context) => {
          return event.topic.includes(t.id) ? dead.handler(event, context) : undefined;
        },
        roomy,
      );
      const fail = (): never => {
        throw new Error('always');
      };
      await engine.subscribe(t.topic(), fail, { retry: attempts(2), deadLetter: true });
      await t.publish(other, t.topic(), { n: 1 });
      await dead.ends(1);
      assert.equal(deadLetterOf(dead.events[0]!)?.attempts, 2);
    },
  },
  {
    name: 'a record that is not an event goes to the dead-letter topic with its bytes, and the subscription continues',
    rules: [11],
    needs: { crossProcess: true },
    async run(t) {
      const engine = await t.started();
      const [dead, seen] = [t.record(), t.record()];
      await engine.subscribe(t.topic('dead'), dead.handler, roomy);
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, deadLetter: t.topic('dead') });
      const records = [[0x7b, 0x22], [0xff, 0x00, 0xfe], [...Buffer.from('not JSON')]];
      for (const bytes of records) await t.produce(t.topic(), Uint8Array.from(bytes));
      await t.publish(engine, t.topic(), 'an event');
      await seen.ends(1);
      await dead.ends(records.length);
      seen.assertOrder(['an event']);
      const raw = dead.payloads.map((bytes) => [...(bytes as Uint8Array)]);
      assertOrder(raw, records, 'the subscription to dead letters');
      assert.ok(dead.events.every((event) => deadLetterOf(event)?.sourceTopic === t.topic()));
    },
  },
]);
