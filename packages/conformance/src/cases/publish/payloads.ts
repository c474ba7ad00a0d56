import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { type PayloadRow, payloadTable } from '../../tables/payload-table.ts';
import { roomy } from '../../support/subscriptions.ts';

/** Asserts that a payload arrived. A broker may deliver bytes as any kind of byte array and omit undefined fields. */
function assertArrived(got: unknown, row: PayloadRow): void {
  const expected = 'arrives' in row ? row.arrives : row.payload;
  if (expected instanceof Uint8Array) {
    assert.ok(got instanceof Uint8Array, `bytes arrived as ${typeof got}`);
    assert.deepEqual([...got], [...expected]);
  } else {
    assert.equal(JSON.stringify(got), JSON.stringify(expected));
    // These values differ but have the same JSON text: minus zero and undefined.
    assert.deepEqual(plain(got), plain(expected));
  }
}

const mebibyte: PayloadRow = { name: '1 MiB of text', payload: 'x'.repeat(1024 * 1024) };

const plain = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? JSON.parse(JSON.stringify(value)) : value;

/** Payloads and metadata arrive with the same values on every engine. */
export const payloadCases: readonly ConformanceCase[] = defineCases('payloads', [
  {
    name: 'every JSON payload arrives as its JSON value, and bytes arrive as bytes',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const publisher = await t.elsewhere(engine);
      // By default brokers accept less than this, envelope included: see the table.
      const rows = engine.capabilities.crossProcess ? payloadTable : [...payloadTable, mebibyte];
      for (const [n, { payload }] of rows.entries()) {
        await t.publish(publisher, t.topic(), payload, { id: String(n) });
      }
      await seen.ends(rows.length);
      for (const [n, row] of rows.entries()) {
        const event = seen.events[n]!;
        assert.equal(event.id, String(n));
        try {
          assertArrived(event.payload, row);
        } catch (cause) {
          throw new Error(`the payload "${row.name}" arrived as something else`, { cause });
        }
      }
    },
  },
  {
    name: 'a Date, a class instance and an object with toJSON arrive as their JSON value on every engine',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<Record<string, unknown>>();
      await engine.subscribe(t.topic(), seen.handler);
      const date = new Date(0);
      await t.publish(engine, t.topic(), { date, n: 1 }, { metadata: { date } });
      await seen.ends(1);
      assert.deepEqual(seen.payloads[0], { date: '1970-01-01T00:00:00.000Z', n: 1 });
      assert.deepEqual(seen.events[0]!.metadata, { date: '1970-01-01T00:00:00.000Z' });
    },
  },
  {
    name: 'any JSON object arrives unchanged as metadata',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const rows = payloadTable.filter(
        ({ payload }) => typeof payload === 'object' && payload !== null && !(payload instanceof Uint8Array),
      );
      const all = rows.filter((row) => !('arrives' in row)).map(({ payload }) => ({ value: payload }));
      // Names that the wire format or JavaScript uses itself.
      const names = [
        'id',
        'type',
        'source',
        'specversion',
        'time',
        'data',
        'datacontenttype',
        'partitionkey',
        'traceparent',
      ];
      all.push(Object.fromEntries(names.map((name) => [name, `my ${name}`])) as never);
      all.push(
        JSON.parse(
          '{"__proto__":{"x":1},"constructor":1,"UPPER":true,"with space":null,"":0,"ключ":[]}',
        ) as never,
      );
      for (const metadata of all) await t.publish(engine, t.topic(), 1, { metadata });
      await seen.ends(all.length);
      for (const [n, metadata] of all.entries()) {
        assert.equal(JSON.stringify(seen.events[n]!.metadata), JSON.stringify(metadata));
      }
    },
  },
  {
    name: 'fields named like members of Object.prototype arrive in the payload, the metadata and a dead letter',
    rules: [1, 6],
    async run(t) {
      const engine = await t.started();
      const [seen, dead] = [t.record(), t.record()];
      await engine.subscribe(t.topic('dead'), dead.handler, roomy);
      await engine.subscribe(
        t.topic(),
        (event, context) => {
          void seen.handler(event, context);
          throw new Error('no');
        },
        { retry: false, deadLetter: t.topic('dead') },
      );
      // Parsed, because `__proto__` in an object literal would not be a field.
      const text = '{"__proto__":{"a":1},"constructor":"c","toString":[],"hasOwnProperty":null}';
      const value = JSON.parse(text) as Record<string, unknown>;
      await t.publish(engine, t.topic(), value, { metadata: value });
      await seen.ends(1);
      await dead.ends(1);
      for (const { payload, metadata } of [...seen.events, ...dead.events]) {
        assert.equal(JSON.stringify(payload), text);
        const own = Object.entries(metadata).filter(([name]) => Object.hasOwn(value, name));
        assert.equal(JSON.stringify(Object.fromEntries(own)), text);
      }
    },
  },
  {
    name: 'keys and ids in any script and of any allowed length arrive unchanged',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const keys = [
        'k',
        ' ',
        'ключ/鍵:\u{1F511}',
        'x'.repeat(256),
        '\u00e9'.repeat(256),
        '{"json":1}',
        'a\nb',
      ];
      for (const key of keys)
        await t.publish(engine, t.topic(), 1, { key, id: `id of ${key}`.slice(0, 256) });
      await seen.ends(keys.length);
      const got = seen.events.map(({ key, id }) => `${key} ${id}`).sort();
      assert.deepEqual(got, keys.map((key) => `${key} ${`id of ${key}`.slice(0, 256)}`).sort());
    },
  },
  {
    name: 'changes that a publisher makes to its objects after publish() do not affect events sent through a broker',
    rules: [1],
    needs: { crossProcess: true },
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler);
      const payload = { n: 1 };
      const metadata = { list: [1] };
      const publishing = engine.publish({ topic: t.topic(), payload, metadata });
      payload.n = 2;
      metadata.list.push(2);
      await t.within(publishing, 'publish to resolve');
      await seen.ends(1);
      assert.deepEqual(seen.payloads[0], { n: 1 });
      assert.deepEqual(seen.events[0]!.metadata, { list: [1] });
    },
  },
  {
    name: 'a handler that assigns to fields of an event does not change the event for other handlers',
    rules: [5],
    async run(t) {
      const engine = await t.started();
      const first = t.record((event) => {
        for (const field of ['id', 'topic', 'key', 'payload', 'metadata', 'createdAt']) {
          Reflect.set(event, field, 'changed');
        }
      });
      const second = t.record();
      await engine.subscribe(t.topic(), first.handler);
      await engine.subscribe(t.topic(), second.handler);
      const before = Date.now();
      await t.publish(engine, t.topic(), 'payload', { key: 'k', metadata: { m: 1 } });
      await second.ends(1);
      const [event] = second.events;
      assert.equal(event!.topic, t.topic());
      assert.equal(event!.payload, 'payload');
      assert.equal(event!.key, 'k');
      assert.deepEqual(event!.metadata, { m: 1 });
      assert.ok(event!.createdAt.getTime() >= before);
    },
  },
]);
