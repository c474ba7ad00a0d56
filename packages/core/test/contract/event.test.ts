import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { InvalidEventError, InvalidTopicError } from '../../src/errors/errors.ts';
import { type NewEvent, PublishedEvent } from '../../src/contract/event.ts';
import { createEvent, isKey, maxKeyLength } from '../../src/contract/create-event.ts';
import { json } from '../arbitraries.ts';

const base = { topic: 'user.created', payload: { id: 1 } };
const make = (input: unknown): PublishedEvent => createEvent(input as NewEvent);

describe('createEvent', () => {
  test('keeps the fields that the publisher set', () => {
    const input = { ...base, id: 'e1', key: 'k', metadata: { a: 1 }, createdAt: new Date(5) };
    const event = make(input);
    expect(Object.fromEntries(Object.entries(event))).toEqual(input);
    expect(event).toBeInstanceOf(PublishedEvent);
  });

  test('adds a UUIDv7 id, empty metadata and the time', () => {
    vi.useFakeTimers({ now: new Date('2026-05-01T10:00:00Z') });
    try {
      const event = make(base);
      expect(event.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(event.id.replace('-', '').slice(0, 12), 16)).toBe(Date.now());
      expect(event.metadata).toEqual({});
      expect(event.key).toBeUndefined();
      expect(event.createdAt).toEqual(new Date('2026-05-01T10:00:00Z'));
    } finally {
      vi.useRealTimers();
    }
  });

  test('gives each event its own metadata object', () => {
    expect(() => ((make(base).metadata as Record<string, unknown>)['leak'] = 1)).toThrow(TypeError);
    expect(make(base).metadata).toEqual({});
  });

  test('creates unique ids in ascending order', () => {
    const ids = Array.from({ length: 1000 }, () => make(base).id);
    expect(new Set(ids).size).toBe(1000);
    expect(ids.toSorted()).toEqual(ids);
  });

  test('keeps plain payload and metadata by reference, and returns an event that is already checked', () => {
    const metadata = { a: { b: [1] } };
    const event = make({ ...base, metadata });
    expect(event.payload).toBe(base.payload);
    expect(event.metadata).toBe(metadata);
    expect(make(event)).toBe(event);
  });

  test('normalizes any payload and metadata as JSON does', () => {
    assert(
      fc.property(json, fc.dictionary(fc.string(), json), (payload, metadata) => {
        const event = make({ ...base, payload, metadata });
        expect(event.payload).toEqual(JSON.parse(JSON.stringify(payload)));
        expect(JSON.stringify(event.metadata)).toBe(JSON.stringify(metadata));
      }),
    );
  });

  test.each<[string, unknown, string, RegExp]>([
    ['nothing', undefined, 'event', /must be an object with a topic and a payload, got undefined/],
    ['text', 'user.created', 'event', /got "user\.created"/],
    ['an empty id', { ...base, id: '' }, 'id', /1 to 256 characters, got ""/],
    ['a long id', { ...base, id: 'x'.repeat(257) }, 'id', /1 to 256/],
    ['a numeric id', { ...base, id: 7 }, 'id', /got 7/],
    ['an ill-formed id', { ...base, id: '\ud800' }, 'id', /well-formed/],
    ['an empty key', { ...base, key: '' }, 'key', /omit it for an event without a partition key/],
    ['a long key', { ...base, key: 'x'.repeat(257) }, 'key', /1 to 256/],
    ['an ill-formed key', { ...base, key: 'a\udc00' }, 'key', /well-formed/],
    ['null as key', { ...base, key: null }, 'key', /got null/],
    ['text as metadata', { ...base, metadata: 'x' }, 'metadata', /must be a plain object, got "x"/],
    ['null as metadata', { ...base, metadata: null }, 'metadata', /got null/],
    ['a list as metadata', { ...base, metadata: [] }, 'metadata', /got an array/],
    ['a Date as metadata', { ...base, metadata: new Date() }, 'metadata', /got an object of Date/],
    [
      'bytes as metadata',
      { ...base, metadata: new Uint8Array(1) },
      'metadata',
      /got an object of Uint8Array/,
    ],
    ['a Map as metadata', { ...base, metadata: new Map() }, 'metadata', /Object\.fromEntries/],
    ['bad metadata', { ...base, metadata: { a: [1n] } }, 'metadata.a[0]', /BigInt/],
    ['bad payload', { ...base, payload: { a: NaN } }, 'payload.a', /NaN/],
    [
      'text as createdAt',
      { ...base, createdAt: '2026-05-01' },
      'createdAt',
      /must be a valid Date, got "2026-05-01"/,
    ],
    ['an invalid Date', { ...base, createdAt: new Date(NaN) }, 'createdAt', /valid Date/],
  ])('refuses %s', (_, input, field, message) => {
    expect(() => make(input)).toThrow(InvalidEventError);
    expect(() => make(input)).toThrow(
      expect.objectContaining({ field, message: expect.stringMatching(message) as string }),
    );
  });

  test.each([['user.*'], [''], [undefined]])('refuses the topic %j', (topic) => {
    expect(() => make({ topic, payload: 1 })).toThrow(InvalidTopicError);
  });

  test('allows the longest id and key', () => {
    expect(make({ ...base, id: 'x'.repeat(256), key: 'ö'.repeat(256) }).key).toHaveLength(256);
  });
});

test.each([
  ['k', true],
  ['x'.repeat(maxKeyLength), true],
  ['x'.repeat(maxKeyLength + 1), false],
  ['', false],
  ['\ud800', false],
  [undefined, false],
  [7, false],
])('isKey(%j) is %s', (key, expected) => {
  expect(isKey(key)).toBe(expected);
});
