import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeStructured, encodeStructured, isStructured } from '../../src/cloudevents/index.ts';
import { type NewEvent, PublishedEvent } from '../../src/contract/event.ts';
import { createEvent } from '../../src/contract/create-event.ts';
import { event, jsonObject } from '../arbitraries.ts';

const source = '/shop';
const createdAt = new Date('2026-05-01T10:00:00.250Z');

function encoded(input: Partial<NewEvent>): Record<string, unknown> {
  const event = createEvent({ topic: 'user.created', payload: 1, id: 'e1', createdAt, ...input });
  return JSON.parse(encodeStructured(event, { source })) as Record<string, unknown>;
}

describe('encodeStructured', () => {
  test('writes the attributes, the extensions and the payload', () => {
    expect(
      encoded({ payload: { name: 'Ann' }, key: 'u1', metadata: { traceparent: '00-1', Tags: ['a'] } }),
    ).toEqual({
      specversion: '1.0',
      id: 'e1',
      source: '/shop',
      type: 'user.created',
      time: '2026-05-01T10:00:00.250Z',
      datacontenttype: 'application/json',
      partitionkey: 'u1',
      traceparent: '00-1',
      polybusmetadata: '{"traceparent":"00-1","Tags":["a"]}',
      data: { name: 'Ann' },
    });
  });

  test('writes no data for an undefined payload, and null for null', () => {
    expect(encoded({ payload: undefined })).not.toHaveProperty('data');
    expect(encoded({ payload: undefined })).not.toHaveProperty('datacontenttype');
    expect(encoded({ payload: null })).toHaveProperty('data', null);
  });

  test('writes bytes as data_base64, without inventing a content type', () => {
    const window = new Uint8Array([9, 1, 2, 9]).subarray(1, 3);
    const envelope = encoded({ payload: window });
    expect(envelope['data_base64']).toBe('AQI=');
    expect(envelope).not.toHaveProperty('data');
    expect(envelope).not.toHaveProperty('datacontenttype');
  });

  test.each([[5], [''], ['a\nb'], ['é'], [{ a: 1 }]])(
    'keeps an invalid traceparent %j only in the metadata',
    (traceparent) => {
      const envelope = encoded({ metadata: { traceparent } });
      expect(envelope).not.toHaveProperty('traceparent');
      expect(envelope['polybusmetadata']).toBe(JSON.stringify({ traceparent }));
    },
  );

  test('writes the correlation as the extension attributes correlationid and causationid', () => {
    const metadata = { correlationid: 'order é-7', causationid: 'e0' };
    const envelope = encoded({ metadata });
    expect(envelope).toMatchObject(metadata);
    expect(decodeStructured(JSON.stringify(envelope)).metadata).toEqual(metadata);
  });

  test.each([[5], [''], ['a\nb'], ['\ud800'], ['\ufffe'], [null], [{ a: 1 }]])(
    'keeps a correlationid and a causationid %j only in the metadata',
    (value) => {
      const metadata = { correlationid: value, causationid: value };
      const envelope = encoded({ metadata });
      expect(envelope).not.toHaveProperty('correlationid');
      expect(envelope).not.toHaveProperty('causationid');
      expect(decodeStructured(JSON.stringify(envelope)).metadata).toEqual(metadata);
    },
  );

  test('escapes characters that a CloudEvents String must not contain', () => {
    assert(
      fc.property(jsonObject, (metadata) => {
        const { polybusmetadata } = encoded({ metadata });
        expect(polybusmetadata).not.toMatch(/\p{Cc}|\p{Noncharacter_Code_Point}|\p{Surrogate}/u);
        // Not toStrictEqual: that takes a key named "constructor" for the object's class.
        deepStrictEqual(JSON.parse(polybusmetadata as string), metadata);
      }),
    );
  });
});

describe('round trip', () => {
  test('any event survives it unchanged', () => {
    assert(
      fc.property(event, (event) => {
        const text = encodeStructured(event, { source });
        deepStrictEqual(decodeStructured(text), event);
        deepStrictEqual(decodeStructured(Buffer.from(text), { topic: event.topic, key: 'other' }), event);
        expect(JSON.stringify(decodeStructured(text))).toBe(JSON.stringify(event));
      }),
      { numRuns: 500 },
    );
  });

  test('returns an event that is already checked, with its own copy of bytes', () => {
    const decoded = decodeStructured(
      encodeStructured(createEvent({ topic: 'a', payload: new Uint8Array([1, 2]) }), { source }),
    );
    expect(decoded).toBeInstanceOf(PublishedEvent);
    expect((decoded.payload as Uint8Array).buffer.byteLength).toBe(2);
  });

  test('keeps __proto__ in metadata and payload as a key and changes no prototype', () => {
    const value = JSON.parse('{"__proto__":{"polluted":true}}') as Record<string, unknown>;
    const event = createEvent({ topic: 'a', payload: value, metadata: value });
    const decoded = decodeStructured(encodeStructured(event, { source }));
    expect(Object.keys(decoded.metadata)).toEqual(['__proto__']);
    expect(Object.keys(decoded.payload as object)).toEqual(['__proto__']);
    expect((decoded.metadata as { polluted?: unknown }).polluted).toBeUndefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('keeps years beyond 9999 and a byte order mark', () => {
    const event = createEvent({ topic: 'a', payload: 1, createdAt: new Date(8.64e15) });
    expect(decodeStructured(`\ufeff${encodeStructured(event, { source })}`)).toStrictEqual(event);
    expect(decodeStructured(Buffer.from(`\ufeff${encodeStructured(event, { source })}`))).toStrictEqual(
      event,
    );
  });

  test('works for the deepest payload that can be published', () => {
    let payload: unknown = 'leaf';
    for (let i = 0; i < 1001; i++) payload = { a: payload };
    const event = createEvent({ topic: 'a', payload });
    expect(JSON.stringify(decodeStructured(encodeStructured(event, { source })))).toBe(JSON.stringify(event));
  });
});

describe('an event that other software has forwarded', () => {
  const ours = {
    specversion: '1.0',
    id: 'e1',
    source,
    type: 'a',
    polybusmetadata: '{"x":1,"traceparent":"00-1"}',
  };

  test('keeps attributes that were added', () => {
    const envelope = { ...ours, knativearrivaltime: 'now', subject: 's', x: 2, partitionkey: 'k' };
    const decoded = decodeStructured(JSON.stringify(envelope));
    expect(decoded.metadata).toEqual({
      x: 1,
      traceparent: '00-1',
      knativearrivaltime: 'now',
      'cloudevents.subject': 's',
    });
    expect(decoded.key).toBe('k');
  });

  test('has the trace context that it arrived with', () => {
    const decoded = decodeStructured(JSON.stringify({ ...ours, traceparent: '00-2', tracestate: 'v' }));
    expect(decoded.metadata).toEqual({ x: 1, traceparent: '00-2', tracestate: 'v' });
  });

  test('has the topic on which it arrives and keeps its type', () => {
    const decoded = decodeStructured(JSON.stringify(ours), { topic: 'mirror.a', key: 'record key' });
    expect(decoded.topic).toBe('mirror.a');
    expect(decoded.metadata['cloudevents.type']).toBe('a');
    expect(decoded.key).toBeUndefined();
  });
});

test.each([
  ['application/cloudevents+json', true],
  ['Application/CloudEvents+JSON; charset=UTF-8', true],
  [' application/cloudevents+json ;x=y', true],
  ['application/cloudevents-batch+json', false],
  ['application/cloudevents+avro', false],
  ['application/json', false],
])('isStructured(%j) is %s', (contentType, expected) => {
  expect(isStructured(contentType)).toBe(expected);
});
