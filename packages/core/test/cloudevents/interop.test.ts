import { CloudEvent, HTTP, Kafka } from 'cloudevents';
import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  contentMode,
  decodeRecord,
  decodeStructured,
  encodeStructured,
  structuredContentType,
} from '../../src/cloudevents/index.ts';
import { UndecodableRecordError } from '../../src/errors/errors.ts';
import { createEvent } from '../../src/contract/create-event.ts';
import { event } from '../arbitraries.ts';

const source = '/shop';
const createdAt = new Date('2026-05-01T10:00:00.250Z');

describe('an event of another producer', () => {
  const foreign = {
    specversion: '1.0',
    id: 'x'.repeat(300),
    source: 'https://github.com/cloudevents',
    type: 'com.github.pull_request.opened',
    time: '2018-04-05T19:31:00.123456+02:00',
    subject: '123',
    datacontenttype: 'application/json; charset=utf-8',
    dataschema: 'https://example.com/schema',
    comexampleextension1: 'value',
    comexampleothervalue: 5,
    unsetextension: null,
    partitionkey: 'k'.repeat(300),
    data: { number: 1 },
  };

  test('keeps all its attributes', () => {
    const decoded = decodeStructured(JSON.stringify(foreign), { topic: 'github', key: 'record key' });
    expect(decoded).toMatchObject({
      id: foreign.id,
      topic: 'github',
      key: foreign.partitionkey,
      payload: { number: 1 },
    });
    expect(decoded.createdAt).toEqual(new Date('2018-04-05T17:31:00.123Z'));
    expect(decoded.metadata).toStrictEqual({
      'cloudevents.source': foreign.source,
      'cloudevents.type': foreign.type,
      'cloudevents.time': foreign.time,
      'cloudevents.subject': '123',
      'cloudevents.datacontenttype': foreign.datacontenttype,
      'cloudevents.dataschema': foreign.dataschema,
      comexampleextension1: 'value',
      comexampleothervalue: 5,
    });
  });

  test('gets its type as its topic if the transport knows no topic', () => {
    expect(decodeStructured(JSON.stringify(foreign)).topic).toBe('com.github.pull_request.opened');
    const elsewhere = JSON.stringify({ ...foreign, type: 'https://example.com/opened' });
    expect(() => decodeStructured(elsewhere)).toThrow(/its type is not a topic/);
    expect(decodeStructured(elsewhere, { topic: 'github' }).topic).toBe('github');
  });

  test('takes its key and time from the record if it has none', () => {
    const { partitionkey: _, time: __, ...rest } = foreign;
    const context = { topic: 'github', key: 'record key', createdAt };
    expect(decodeStructured(JSON.stringify(rest), context)).toMatchObject({ key: 'record key', createdAt });
    expect(decodeStructured(JSON.stringify(rest), { topic: 'github', key: '' }).key).toBeUndefined();
  });

  test('gets the current time if it has no time', () => {
    vi.useFakeTimers({ now: createdAt });
    try {
      expect(decodeStructured(JSON.stringify({ ...foreign, time: null })).createdAt).toEqual(createdAt);
    } finally {
      vi.useRealTimers();
    }
  });

  test('has a string payload for text data, and bytes for data_base64 of any type', () => {
    const { data: _, ...rest } = foreign;
    const xml = { ...rest, datacontenttype: 'application/xml', data: '<much wow="xml"/>' };
    expect(decodeStructured(JSON.stringify(xml)).payload).toBe('<much wow="xml"/>');
    const bytes = { ...rest, data: null, data_base64: 'eyAieHl6IjogMTIzIH0' };
    expect(decodeStructured(JSON.stringify(bytes)).payload).toStrictEqual(
      new Uint8Array(Buffer.from('{ "xyz": 123 }')),
    );
  });

  test('converts number attributes to text', () => {
    expect(decodeStructured(JSON.stringify({ ...foreign, id: 7, partitionkey: 8 }))).toMatchObject({
      id: '7',
      key: '8',
    });
  });

  test.each([
    ['no specversion', { specversion: undefined }, /not a CloudEvent: it has no specversion/],
    ['specversion 0.3', { specversion: '0.3' }, /specversion "0.3"/],
    ['a numeric specversion', { specversion: 1 }, /specversion 1;/],
    ['no id', { id: undefined }, /attribute id is missing/],
    ['an empty id', { id: '' }, /attribute id is missing or empty/],
    ['an object as id', { id: {} }, /attribute id is an object/],
    ['no source', { source: null }, /attribute source is missing/],
    ['no type', { type: '' }, /attribute type is missing/],
    ['a time that is a word', { time: 'yesterday' }, /time "yesterday" is not an RFC 3339 time/],
    ['a time that is a number', { time: '1' }, /RFC 3339/],
    ['a time that does not exist', { time: '2018-13-05T17:31:00Z' }, /RFC 3339/],
    ['data twice', { data_base64: 'AQI=' }, /both data and data_base64/],
    ['bad base64', { data: undefined, data_base64: 'AQ!I=' }, /data_base64 is not base64/],
    ['cut base64', { data: undefined, data_base64: 'AQIDB' }, /data_base64 is not base64/],
    ['metadata that is no JSON', { polybusmetadata: '{' }, /polybusmetadata is not JSON/],
    [
      'metadata that is a list',
      { polybusmetadata: '[]' },
      /polybusmetadata is not the text of a JSON object/,
    ],
    [
      'metadata that is an object',
      { polybusmetadata: {} },
      /polybusmetadata is not the text of a JSON object/,
    ],
  ])('is undecodable with %s', (_, change, message) => {
    const text = JSON.stringify({ ...foreign, ...change });
    expect(() => decodeStructured(text, { topic: 'github' })).toThrow(UndecodableRecordError);
    expect(() => decodeStructured(text, { topic: 'github' })).toThrow(message);
    expect(() => decodeStructured(text, { topic: 'github' })).toThrow(
      expect.objectContaining({ topic: 'github' }),
    );
  });
});

describe('the official package', () => {
  test('reads our messages in strict mode, from Kafka and HTTP', () => {
    const ours = createEvent({
      topic: 'user.created',
      payload: { name: 'Ann' },
      key: 'u1',
      metadata: { traceparent: '00-1', 'Weird key': { nested: true } },
    });
    const body = encodeStructured(ours, { source });
    const headers = { 'content-type': structuredContentType };
    const fromKafka = Kafka.toEvent({ headers, body, value: body, key: 'u1' } as never) as CloudEvent;
    for (const read of [HTTP.toEvent({ headers, body }) as CloudEvent, fromKafka]) {
      expect(read.validate()).toBe(true);
      expect(read).toMatchObject({
        id: ours.id,
        type: 'user.created',
        source,
        time: ours.createdAt.toISOString(),
        partitionkey: 'u1',
        traceparent: '00-1',
        data: { name: 'Ann' },
      });
    }
  });

  test('reads our binary payloads', () => {
    const ours = createEvent({ topic: 'a', payload: new Uint8Array([0, 255, 7]) });
    const read = new CloudEvent(JSON.parse(encodeStructured(ours, { source })) as CloudEvent, true);
    expect(read.data).toEqual(new Uint8Array([0, 255, 7]));
  });

  test('accepts every event that we write as valid', () => {
    const inRfc3339 = (date: Date): boolean => /^\d{4}-/.test(date.toISOString()) && date.getTime() > 0;
    assert(
      fc.property(
        event.filter(({ createdAt }) => inRfc3339(createdAt)),
        (event) => {
          const envelope = JSON.parse(encodeStructured(event, { source })) as CloudEvent;
          expect(new CloudEvent(envelope, true).validate()).toBe(true);
        },
      ),
    );
  });

  test('writes messages that we can read', () => {
    const theirs = new CloudEvent({
      type: 'com.example.done',
      source: '/theirs',
      data: { ok: true },
      partitionkey: 'p',
      traceparent: '00-9',
      subject: 's',
    });
    const { headers, value } = Kafka.structured(theirs) as unknown as {
      headers: Record<string, string>;
      value: string;
    };
    const http = HTTP.structured(theirs);
    for (const message of [
      { headers, body: value },
      { headers: http.headers as Record<string, string>, body: http.body as string },
    ]) {
      expect(contentMode(message)).toBe('structured');
      expect(decodeRecord(message, { topic: 'done' })).toMatchObject({
        id: theirs.id,
        topic: 'done',
        key: 'p',
        payload: { ok: true },
        createdAt: new Date(theirs.time!),
        metadata: { traceparent: '00-9', 'cloudevents.subject': 's', 'cloudevents.type': 'com.example.done' },
      });
    }
    const bytes = new CloudEvent({ type: 'b', source: '/theirs', data: new Uint8Array([1, 2, 255]) });
    expect(decodeStructured(HTTP.structured(bytes).body as string).payload).toStrictEqual(
      new Uint8Array([1, 2, 255]),
    );
  });
});
