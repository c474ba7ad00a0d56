import { deepStrictEqual } from 'node:assert/strict';
import { CloudEvent, HTTP, Kafka } from 'cloudevents';
import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type IncomingMessage,
  contentMode,
  decodeBinary,
  decodeRecord,
  encodeBinary,
  encodeStructured,
  httpHeaders,
  kafkaHeaders,
} from '../../src/cloudevents/index.ts';
import { UndecodableRecordError } from '../../src/errors/errors.ts';
import { createEvent } from '../../src/contract/create-event.ts';
import { event } from '../arbitraries.ts';

const source = '/shop';
const createdAt = new Date('2026-05-01T10:00:00.250Z');

describe('encodeBinary', () => {
  test('writes attributes as ce_ headers and the payload as the body, for Kafka', () => {
    const ours = createEvent({
      topic: 'a',
      id: 'ä 1',
      payload: { x: 'ö' },
      key: 'k',
      metadata: { Y: 'ü' },
      createdAt,
    });
    expect(encodeBinary(ours, { source })).toEqual({
      headers: {
        'content-type': 'application/json',
        ce_specversion: '1.0',
        ce_id: 'ä 1',
        ce_source: '/shop',
        ce_type: 'a',
        ce_time: '2026-05-01T10:00:00.250Z',
        ce_partitionkey: 'k',
        ce_polybusmetadata: '{"Y":"ü"}',
      },
      body: '{"x":"ö"}',
    });
  });

  test('writes attributes as percent-encoded ce- headers, for HTTP', () => {
    const ours = createEvent({ topic: 'a', id: 'Euro € 😀"%', payload: 1 });
    const { headers } = encodeBinary(ours, { source, binding: httpHeaders });
    expect(headers['ce-id']).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80%22%25');
    expect(headers['ce-polybusmetadata']).toBe('{}');
  });

  test('writes bytes unchanged as the body, and no body for no payload', () => {
    const payload = new Uint8Array([1, 2]);
    const bytes = encodeBinary(createEvent({ topic: 'a', payload }), { source });
    expect(bytes.body).toBe(payload);
    expect(bytes.headers['content-type']).toBe('application/octet-stream');
    const nothing = encodeBinary(createEvent({ topic: 'a', payload: undefined }), { source });
    expect(nothing.body).toBeUndefined();
    expect(nothing.headers).not.toHaveProperty('content-type');
  });

  test.each([
    ['kafka', kafkaHeaders],
    ['http', httpHeaders],
  ])('any event survives a round trip over %s', (_, binding) => {
    assert(
      fc.property(event, (event) => {
        const { headers, body } = encodeBinary(event, { source, binding });
        deepStrictEqual(decodeBinary({ headers, body }, {}, binding), event);
        const asBytes = Object.fromEntries(
          Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]),
        );
        const record = { headers: asBytes, body: typeof body === 'string' ? Buffer.from(body) : body };
        deepStrictEqual(decodeRecord(record, { topic: event.topic }, binding), event);
      }),
    );
  });

  test('writes only printable ASCII into HTTP headers', () => {
    assert(
      fc.property(event, (event) => {
        const { headers } = encodeBinary(event, { source: '/ö', binding: httpHeaders });
        const { 'content-type': _, ...attributes } = headers;
        expect(Object.values(attributes).join('')).toMatch(/^[\x21-\x7e]*$/);
      }),
    );
  });
});

describe('decodeBinary', () => {
  const required = { ce_specversion: '1.0', ce_id: 'f1', ce_source: '/theirs', ce_type: 'com.example.done' };

  test('keeps the attributes of another producer and ignores attributes of the HTTP connection', () => {
    const headers = {
      ...required,
      ce_subject: 's',
      ce_comexample: 'v',
      ce___proto__: 'p',
      'Content-Type': Buffer.from('text/plain; charset=UTF-8'),
      authorization: 'secret',
    };
    const decoded = decodeBinary(
      { headers, body: Buffer.from('höllo') },
      { topic: 'done', key: 'k', createdAt },
    );
    expect(decoded).toMatchObject({ id: 'f1', topic: 'done', key: 'k', payload: 'höllo', createdAt });
    expect(Object.entries(decoded.metadata)).toEqual([
      ['cloudevents.source', '/theirs'],
      ['cloudevents.type', 'com.example.done'],
      ['cloudevents.subject', 's'],
      ['comexample', 'v'],
      ['__proto__', 'p'],
      ['cloudevents.datacontenttype', 'text/plain; charset=UTF-8'],
    ]);
  });

  const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
  test.each([
    ['application/json', '{"a":1}', { a: 1 }],
    ['APPLICATION/vnd.api+JSON; charset=utf-8', '"text"', 'text'],
    ['application/json', '', undefined],
    ['application/json', null, undefined],
    ['text/plain', '', ''],
    ['text/csv', bytes(0x61), 'a'],
    ['text/plain; charset="UTF-8"', bytes(0xc3, 0xa9), 'é'],
    ['text/plain; charset=iso-8859-1', bytes(0xe9), bytes(0xe9)],
    ['application/avro', bytes(0xff), bytes(0xff)],
    ['application/octet-stream', 'é', bytes(0xc3, 0xa9)],
    ['application/notjson', Buffer.from([1]), bytes(1)],
    [undefined, bytes(1), bytes(1)],
    [undefined, undefined, undefined],
  ])('decodes a body of %s, %j, as %j', (contentType, body, payload) => {
    const headers = { ...required, 'content-type': contentType };
    expect(decodeBinary({ headers, body }).payload).toStrictEqual(payload);
  });

  test('does not copy a body of bytes', () => {
    const body = bytes(1, 2, 3).subarray(1);
    const payload = decodeBinary({ headers: required, body }).payload as Uint8Array;
    expect(payload.buffer).toBe(body.buffer);
    expect(payload).toEqual(bytes(2, 3));
  });

  test('uses the last value of a repeated header', () => {
    expect(decodeBinary({ headers: { ...required, ce_id: ['f1', Buffer.from('f2')] }, body: null }).id).toBe(
      'f2',
    );
  });

  test('reads HTTP header names in any case, and quoted or unnecessarily encoded values', () => {
    const headers = {
      'Ce-Specversion': '1.0',
      'CE-ID': '"a \\"quoted\\" %41"',
      'ce-source': '/%e2%82%AC',
      'ce-type': 'a',
      'ce-subject': '100% sure',
    };
    const decoded = decodeBinary({ headers, body: '' }, {}, httpHeaders);
    expect(decoded.id).toBe('a "quoted" A');
    expect(decoded.metadata).toMatchObject({
      'cloudevents.source': '/€',
      'cloudevents.subject': '100% sure',
    });
  });

  test.each([
    ['overlong UTF-8', { 'ce-subject': '%C0%A0' }, '{}', /header ce-subject is not percent-encoded UTF-8/],
    ['a header of invalid UTF-8', { 'ce-subject': bytes(0xff) }, '{}', /a header is not UTF-8/],
    ['bad JSON', {}, '{', /its body is not JSON/],
    ['JSON of invalid UTF-8', {}, bytes(0x22, 0xff, 0x22), /its body is not UTF-8/],
    ['a body that is neither', {}, 5 as never, /neither bytes nor text/],
    ['no id', { 'ce-id': undefined }, '{}', /attribute id is missing/],
    ['another version', { 'ce-specversion': '0.3' }, '{}', /specversion "0.3"/],
    ['a bad time', { 'ce-time': '1' }, '{}', /RFC 3339/],
  ])('rejects %s as undecodable', (_, change, body, message) => {
    const valid = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/', 'ce-type': 'a' };
    const headers = { ...valid, 'content-type': 'application/json', ...change };
    expect(() => decodeBinary({ headers, body }, {}, httpHeaders)).toThrow(UndecodableRecordError);
    expect(() => decodeBinary({ headers, body }, {}, httpHeaders)).toThrow(message);
  });
});

describe('the official package', () => {
  test('reads our messages in strict mode, from Kafka and HTTP', () => {
    const ours = createEvent({
      topic: 'a',
      payload: { x: 1 },
      key: 'k',
      metadata: { traceparent: '00-1', M: 2 },
    });
    const kafka = encodeBinary(ours, { source });
    const http = encodeBinary(ours, { source, binding: httpHeaders });
    for (const read of [
      Kafka.toEvent({ ...kafka, value: kafka.body, key: 'k' } as never) as CloudEvent,
      HTTP.toEvent({ ...http }) as CloudEvent,
    ]) {
      expect(read.validate()).toBe(true);
      expect(read).toMatchObject({
        id: ours.id,
        type: 'a',
        source,
        time: ours.createdAt.toISOString(),
        datacontenttype: 'application/json',
        partitionkey: 'k',
        traceparent: '00-1',
        data: { x: 1 },
      });
    }
  });

  test('writes messages that we can read', () => {
    const theirs = new CloudEvent({
      type: 'com.example.done',
      source: '/theirs',
      datacontenttype: 'application/json',
      data: { ok: true },
      subject: 's',
      partitionkey: 'p',
      answer: 42,
    });
    const kafka = Kafka.binary(theirs);
    const http = HTTP.binary(theirs);
    const read = [
      decodeRecord({ headers: kafka.headers, body: JSON.stringify(kafka.value) }, { topic: 'done' }),
      decodeRecord({ headers: http.headers, body: http.body as string }, { topic: 'done' }, httpHeaders),
    ];
    for (const event of read) {
      expect(event).toMatchObject({
        id: theirs.id,
        topic: 'done',
        key: 'p',
        payload: { ok: true },
        createdAt: new Date(theirs.time!),
        metadata: { 'cloudevents.subject': 's', 'cloudevents.type': 'com.example.done', answer: '42' },
      });
    }
  });
});

function decodedId(record: IncomingMessage): string {
  try {
    return decodeRecord(record).id;
  } catch (error) {
    return error instanceof UndecodableRecordError ? 'undecodable' : 'another error';
  }
}

describe('decodeRecord', () => {
  const structured = encodeStructured(createEvent({ topic: 'a', payload: 1, id: 's' }), { source });
  const ceHeaders = encodeBinary(createEvent({ topic: 'a', payload: 1, id: 'b' }), { source }).headers;

  test.each([
    ['structured', { 'content-type': 'application/cloudevents+json' }, structured],
    [
      'structured',
      {
        ...ceHeaders,
        'Content-Type': Buffer.from('application/CloudEvents+json'),
        'content-type': undefined,
      },
      structured,
    ],
    ['structured', undefined, structured],
    ['structured', undefined, Buffer.from(`\ufeff \r\n\t${structured}`)],
    ['structured', { 'content-type': 'application/json' }, ` ${structured}`],
    ['binary', ceHeaders, '1'],
    ['binary', { ...ceHeaders, 'content-type': undefined, 'Content-Type': 'application/json' }, '{}'],
    ['unsupported', { 'content-type': 'application/cloudevents+avro' }, structured],
    ['unsupported', { 'content-type': 'application/cloudevents-batch+json' }, '[]'],
    ['foreign', { 'ce-specversion': '1.0' }, '[1]'],
    ['foreign', null, Buffer.from([0xef, 0xbb, 0xbf])],
    ['foreign', {}, null],
    ['foreign', {}, ''],
    ['foreign', {}, undefined],
  ])('recognizes %s', (mode, headers, body) => {
    const record = { headers: headers as never, body };
    expect(contentMode(record)).toBe(mode);
    expect(decodedId(record)).toBe({ structured: 's', binary: 'b' }[mode] ?? 'undecodable');
  });

  test('rejects a structured record without content, such as a tombstone, as undecodable', () => {
    const headers = { 'content-type': 'application/cloudevents+json' };
    expect(() => decodeRecord({ headers, body: null })).toThrow(/it has no content/);
  });
});
