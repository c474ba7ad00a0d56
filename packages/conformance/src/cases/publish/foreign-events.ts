import assert from 'node:assert/strict';
import { deadLetterOf } from '@polybus/core';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { roomy } from '../../support/subscriptions.ts';

/** The size of a record, in bytes, that most brokers accept while a dead letter with the same payload and an error is too large. */
const nearLimit = 1_045_000;

/** A CloudEvent of another producer. */
function cloudEvent(t: CaseContext, attributes: Readonly<Record<string, unknown>>): Buffer {
  const event = { specversion: '1.0', id: 'foreign', source: '/foreign', type: t.topic(), ...attributes };
  return Buffer.from(JSON.stringify(event));
}

/** CloudEvents of other producers, which do not keep to the limits of polybus. */
export const foreignEventCases: readonly ConformanceCase[] = defineCases('foreign-events', [
  {
    name: 'a foreign CloudEvent is delivered unchanged, whatever the length of its id and key and the names of its attributes',
    rules: [11],
    needs: { crossProcess: true },
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const id = 'i'.repeat(300);
      const key = 'k'.repeat(5000);
      const time = '2016-12-31T23:59:60Z';
      const names = '"__proto__": "p", "constructor": "c", "toString": "t"';
      const text = cloudEvent(t, { id, partitionkey: key, time, data: 1 }).toString();
      await t.produce(t.topic(), Buffer.from(`${text.slice(0, -1)}, ${names}}`));
      await seen.ends(1);
      const [event] = seen.events;
      assert.equal(event!.id, id);
      assert.equal(event!.key, key);
      assert.equal(event!.payload, 1);
      assert.deepEqual(event!.createdAt, new Date('2017-01-01T00:00:00Z'));
      const own = Object.entries(event!.metadata).filter(([name]) => !name.startsWith('cloudevents.'));
      // Made from entries, because `__proto__` in an object literal would not be a property.
      assert.deepEqual(Object.fromEntries(own), JSON.parse(`{${names}}`));
    },
  },
  {
    name: 'a foreign CloudEvent whose handler fails becomes a dead letter, however long its fields, and the next event is handled',
    rules: [6, 11],
    needs: { crossProcess: true },
    async run(t) {
      const engine = await t.started();
      const [dead, next] = [t.record(), t.record()];
      await engine.subscribe(t.topic('dead'), dead.handler, roomy);
      await engine.subscribe(
        t.topic(),
        (event, context) => {
          if (event.payload === 'next') return next.handler(event, context);
          throw new Error('no'.repeat(2000));
        },
        { ...roomy, retry: false, deadLetter: t.topic('dead') },
      );
      const long = 'x'.repeat(300);
      const large = { id: `large${long}`, partitionkey: long };
      const data = 'y'.repeat(nearLimit - cloudEvent(t, { ...large, data: '' }).length);
      const records = [
        { id: `id${long}` },
        { id: 'key', partitionkey: long },
        // A lone surrogate, which no broker accepts as a key of its own.
        { id: 'half', partitionkey: 'k\ud83d' },
        { id: 'time', time: '2026-02-30T00:00:00Z' },
        { ...large, data },
      ].map((attributes) => cloudEvent(t, attributes));
      for (const record of records) await t.produce(t.topic(), record);
      await t.produce(t.topic(), cloudEvent(t, { data: 'next' }));
      await dead.ends(records.length);
      await next.ends(1);
      const letter = (start: string): (typeof dead.events)[number] => {
        const found = dead.events.find(({ id }) => id.startsWith(start));
        assert.ok(found !== undefined, `no dead letter whose id begins with ${start}`);
        return found;
      };
      assert.equal(letter('id').id, `id${long}`);
      assert.equal(letter('key').key, long);
      assert.equal(letter('half').key, 'k\ud83d');
      const raw = dead.events.filter(({ payload }) => payload instanceof Uint8Array);
      assert.deepEqual(
        raw.map(({ payload }) => [...(payload as Uint8Array)]),
        [[...records[3]!]],
      );
      const { payload } = letter('large');
      const cut = deadLetterOf(letter('large'))?.cut;
      // A dead letter that was cut says which fields were cut and how large they were.
      if (payload === data) return;
      assert.ok(
        cut?.fields.includes('payload') === true,
        `cut without saying so: ${String(payload).slice(0, 80)}`,
      );
      assert.equal(cut.bytes, data.length + 2);
      assert.ok(`"${data}"`.startsWith(String(payload)));
    },
  },
]);
