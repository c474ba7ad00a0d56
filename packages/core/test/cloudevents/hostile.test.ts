import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { expect, test } from 'vitest';
import {
  type DecodeContext,
  type IncomingMessage,
  decodeRecord,
  decodeStructured,
  encodeStructured,
  httpHeaders,
  kafkaHeaders,
} from '../../src/cloudevents/index.ts';
import { UndecodableRecordError } from '../../src/errors/errors.ts';
import { type Event, PublishedEvent } from '../../src/contract/event.ts';
import { event, json } from '../arbitraries.ts';

/** Decodes the record, or throws an allowed error. A decoded event must be publishable, as its dead letter would be. */
function decodes(decode: () => Event): boolean {
  try {
    const decoded = decode();
    expect(decoded).toBeInstanceOf(PublishedEvent);
    const again = decodeStructured(encodeStructured(decoded, { source: '/' }), { topic: decoded.topic });
    expect(again.id).toBe(decoded.id);
    return true;
  } catch (error) {
    if (error instanceof UndecodableRecordError) return false;
    throw error;
  }
}

const contexts: DecodeContext[] = [{}, { topic: 'known', key: 'k' }];

function decodesAny(input: unknown): void {
  for (const context of contexts) decodes(() => decodeStructured(input as string, context));
}

const valid = { specversion: '1.0', id: 'e', source: '/', type: 'a' };

test('arbitrary text and bytes decode or are rejected as undecodable', () => {
  assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.anything()), decodesAny));
});

test('arbitrary JSON decodes or is rejected as undecodable', () => {
  assert(fc.property(json, (value) => decodesAny(JSON.stringify(value))));
});

test('valid envelopes with arbitrary values decode or are rejected as undecodable', () => {
  const names = fc.constantFrom(
    'specversion',
    'id',
    'source',
    'type',
    'time',
    'data',
    'data_base64',
    'datacontenttype',
    'partitionkey',
    'polybusmetadata',
    'traceparent',
    '__proto__',
    'constructor',
    'toJSON',
    'cloudevents.type',
    'subject',
  );
  const values = fc.oneof(
    json,
    fc.constantFrom('{}', '{"__proto__":1}', '{"toJSON":1}', '"', '\ud800', 1e308),
  );
  let decoded = 0;
  assert(
    fc.property(fc.array(fc.tuple(names, values), { maxLength: 4 }), (members) => {
      const base = JSON.stringify(valid).slice(0, -1);
      const text = `${base}${members.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join('')}}`;
      for (const context of contexts) if (decodes(() => decodeStructured(text, context))) decoded++;
    }),
    { numRuns: 1000 },
  );
  expect(decoded).toBeGreaterThan(50);
});

test('valid envelopes with a changed, missing or added byte decode or are rejected as undecodable', () => {
  assert(
    fc.property(event, fc.nat(), fc.nat({ max: 2 }), fc.nat({ max: 255 }), (event, at, remove, byte) => {
      const bytes = [...Buffer.from(encodeStructured(event, { source: '/' }))];
      bytes.splice(at % bytes.length, remove, byte);
      decodesAny(Uint8Array.from(bytes));
    }),
    { numRuns: 500 },
  );
});

test('arbitrary headers and bodies decode or are rejected as undecodable', () => {
  const name = fc.oneof(
    fc.constantFrom(
      'content-type',
      'ce_specversion',
      'ce_id',
      'ce_source',
      'ce_type',
      'ce_time',
      'ce___proto__',
    ),
    fc.constantFrom(
      'ce-specversion',
      'ce-id',
      'ce-source',
      'ce-type',
      'ce-polybusmetadata',
      'ce_polybusmetadata',
    ),
    fc.string(),
  );
  const value = fc.oneof(
    fc.constantFrom(
      '1.0',
      'application/json',
      'application/cloudevents+json',
      'text/plain',
      'a',
      '%ff',
      '"',
      '{}',
    ),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.array(fc.uint8Array()),
    fc.anything(),
  );
  const headers = fc.oneof(
    fc.dictionary(name, value),
    fc
      .dictionary(name, value)
      .map((extra) => ({ ...extra, ce_specversion: '1.0', ce_id: 'i', ce_source: '/', ce_type: 'a' })),
  );
  const body = fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.anything());
  assert(
    fc.property(headers, body, (headers, body) => {
      const message = { headers, body } as IncomingMessage;
      for (const binding of [kafkaHeaders, httpHeaders])
        decodes(() => decodeRecord(message, { topic: 'known' }, binding));
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ['arrays', '['.repeat(100_000) + ']'.repeat(100_000)],
  ['objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
])('deeply nested %s decode or are rejected, in data, in an extension and in metadata', (_, deep) => {
  const base = JSON.stringify(valid).slice(0, -1);
  for (const text of [
    deep,
    `${base},"data":${deep}}`,
    `${base},"extension":${deep}}`,
    `${base},"polybusmetadata":${JSON.stringify(`{"a":${deep}}`)}}`,
  ]) {
    expect(() => decodeStructured(text)).toThrow(/nested more than|not a JSON object/);
  }
  const headers = {
    ce_specversion: '1.0',
    ce_id: 'i',
    ce_source: '/',
    ce_type: 'a',
    'content-type': 'application/json',
  };
  expect(() => decodeRecord({ headers, body: deep })).toThrow(/its body is nested more than/);
});

test('numbers that are too large for JavaScript decode', () => {
  const base = JSON.stringify(valid).slice(0, -1);
  for (const number of ['1e999', '-1e999', '9'.repeat(400), '12345678901234567890']) {
    expect(decodes(() => decodeStructured(`${base},"data":${number},"id":${number}}`))).toBe(
      Number.isFinite(Number(number)),
    );
    expect(decodes(() => decodeStructured(`${base},"data":${number}}`))).toBe(true);
  }
});

test('lone surrogates, invalid UTF-8 and truncated UTF-8 decode or are rejected as undecodable', () => {
  const text = JSON.stringify({ ...valid, id: '\ud800', data: '\udfff' });
  expect(decodeStructured(text)).toMatchObject({ id: '\ud800', payload: '\udfff' });
  const bytes = Buffer.from(JSON.stringify({ ...valid, data: 'é' }));
  expect(() => decodeStructured(bytes.subarray(0, -3))).toThrow(/it is not UTF-8/);
  bytes[bytes.indexOf(0xc3)] = 0xff;
  expect(() => decodeStructured(bytes)).toThrow(/it is not UTF-8/);
});

test('a __proto__ attribute does not set a prototype', () => {
  const decoded = decodeStructured(`${JSON.stringify(valid).slice(0, -1)},"__proto__":{"key":"x"}}`);
  expect(Object.getPrototypeOf(decoded.metadata)).toBe(Object.prototype);
  expect(Object.keys(decoded.metadata)).toContain('__proto__');
  expect(decoded.key).toBeUndefined();
  // An envelope whose attributes are only on its prototype has none.
  expect(() => decodeStructured(`{"__proto__":${JSON.stringify(valid)}}`)).toThrow(/no specversion/);
});

test('error messages do not quote the content of a record', () => {
  const secret = 'hunter2';
  for (const text of [
    secret,
    `{"password":"${secret}"`,
    `{"specversion":"1.0","id":"e","data":"${secret}"}`,
  ]) {
    const error = (() => {
      try {
        return decodeStructured(text);
      } catch (error) {
        return error as Error;
      }
    })();
    expect(error).toBeInstanceOf(UndecodableRecordError);
    expect(`${(error as Error).stack} ${String((error as Error).cause)}`).not.toContain(secret);
  }
});
