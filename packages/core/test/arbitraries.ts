import * as fc from 'fast-check';
import type { Event } from '../src/contract/event.ts';
import { createEvent } from '../src/contract/create-event.ts';

/** As a broker would deliver it: no -0, no missing prototypes. */
const asJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** Keys that collide with names of the wire format, or that break code which assigns them carelessly. */
const awkwardKeys = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'id',
  'type',
  'source',
  'specversion',
  'data',
  'data_base64',
  'partitionkey',
  'polybusmetadata',
  'cloudevents.type',
  'cloudevents.source',
  'subject',
  'time',
  'traceparent',
  'tracestate',
  'correlationId',
  'correlationid',
  'causationid',
  '',
  ' ',
  '\u0085',
  '\ufffe',
  '\u{1ffff}',
  '\ud800',
];

export const json: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 4 }).map(asJson);

/** JSON objects, by way of text: an object literal could not have an own `__proto__`. */
export const jsonObject: fc.Arbitrary<Record<string, unknown>> = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom(...awkwardKeys), fc.string({ unit: 'binary' })), json), {
    maxLength: 6,
  })
  .map((entries) => {
    const members = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    return JSON.parse(`{${members.join(',')}}`) as Record<string, unknown>;
  });

const wellFormed = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', minLength: 1, maxLength });

/** Topics of up to four short segments, from an alphabet small enough for some to match some pattern. */
export const topic: fc.Arbitrary<string> = fc
  .array(fc.string({ unit: fc.constantFrom('a', 'b', '_', '-'), minLength: 1, maxLength: 2 }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((segments) => segments.join('.'));

export const event: fc.Arbitrary<Event> = fc
  .record(
    {
      topic,
      payload: fc.oneof(json, fc.uint8Array(), fc.constant(undefined)),
      id: wellFormed(40),
      key: wellFormed(40),
      metadata: jsonObject,
      createdAt: fc.date({ noInvalidDate: true }),
    },
    { requiredKeys: ['topic', 'payload', 'id', 'createdAt'] },
  )
  .map((input) => createEvent(input));
