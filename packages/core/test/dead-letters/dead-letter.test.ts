import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import {
  type Failure,
  createDeadLetter,
  createRawDeadLetter,
  deadLetterKey,
  deadLetterOf,
  deadLetterTopic,
  isDeadLetterTopic,
  sourceOfDeadLetters,
} from '../../src/dead-letters/dead-letter.ts';
import { describeError } from '../../src/errors/describe-error.ts';
import { UndecodableRecordError } from '../../src/errors/errors.ts';
import type { Event } from '../../src/contract/event.ts';
import { createEvent } from '../../src/contract/create-event.ts';
import { assertTopic, maxTopicLength } from '../../src/contract/topics.ts';
import type { RawRecord } from '../../src/contract/transport.ts';

const failure: Failure = {
  engine: 'log',
  group: 'billing',
  subscription: 's1',
  attempts: 5,
  error: new TypeError('no amount'),
  firstFailedAt: Date.UTC(2026, 4, 1),
  lastFailedAt: Date.UTC(2026, 4, 2),
};

describe('deadLetterTopic', () => {
  test('is _dead.<topic>', () => {
    expect(deadLetterTopic('user.created')).toBe('_dead.user.created');
    expect(deadLetterTopic('a'.repeat(maxTopicLength - 6))).toBe(`_dead.${'a'.repeat(maxTopicLength - 6)}`);
  });

  test('is shortened if it is too long, and stays unique per topic', () => {
    const long = 'a'.repeat(maxTopicLength - 5);
    const topics = [`${long.slice(0, -1)}b`, `${long.slice(0, -1)}c`, long, `${long}aaaa`].map(
      deadLetterTopic,
    );
    expect(new Set(topics).size).toBe(4);
    for (const topic of topics) {
      expect(topic).toHaveLength(maxTopicLength);
      expect(() => assertTopic(topic)).not.toThrow();
      expect(isDeadLetterTopic(topic)).toBe(true);
    }
    expect(deadLetterTopic(long)).toBe(topics[2]);
  });

  test('is a valid topic, whatever the length at which it is cut', () => {
    for (let at = 200; at < maxTopicLength; at++) {
      const topic = `${'a'.repeat(at)}.${'b'.repeat(maxTopicLength - at - 1)}`
        .slice(0, maxTopicLength)
        .replace(/\.$/, 'x');
      expect(() => assertTopic(deadLetterTopic(topic))).not.toThrow();
    }
  });
});

test.each([
  ['_dead.user', true, 'user'],
  ['_dead.user.*', true, 'user.*'],
  ['_dead.*', true, '*'],
  ['_dead.', true, undefined],
  ['_dead', false, undefined],
  ['_deadly.user', false, undefined],
  ['user._dead.x', false, undefined],
])('%j: a dead-letter topic %s, of %j', (topic, isDeadLetters, source) => {
  expect(isDeadLetterTopic(topic)).toBe(isDeadLetters);
  expect(sourceOfDeadLetters(topic)).toBe(source);
});

describe('createDeadLetter', () => {
  const event = createEvent({
    topic: 'user.created',
    payload: { id: 1 },
    key: 'k',
    metadata: { tenant: 't', 'polybus.redrive': { group: 'billing' } },
  });

  test('is the unchanged event on its own topic, with its origin', () => {
    const letter = createDeadLetter(event, '_dead.user.created', failure) as Event;
    expect(letter).toMatchObject({
      id: event.id,
      topic: '_dead.user.created',
      key: 'k',
      createdAt: event.createdAt,
    });
    expect(letter.payload).toBe(event.payload);
    expect(letter.metadata['tenant']).toBe('t');
    expect(deadLetterOf(letter)).toEqual({
      sourceTopic: 'user.created',
      engine: 'log',
      group: 'billing',
      subscription: 's1',
      attempts: 5,
      error: {
        name: 'TypeError',
        message: 'no amount',
        stack: expect.stringContaining('dead-letter.test.ts') as string,
      },
      firstFailedAt: '2026-05-01T00:00:00.000Z',
      lastFailedAt: '2026-05-02T00:00:00.000Z',
    });
  });

  test('contains no mark of the redrive that failed, and does not change the event', () => {
    const letter = createDeadLetter(event, '_dead.user.created', failure) as Event;
    expect(letter.metadata).not.toHaveProperty(['polybus.redrive']);
    expect(Object.keys(event.metadata)).toEqual(['tenant', 'polybus.redrive']);
  });

  test('has the group null without a group, and can be written as JSON', () => {
    const letter = createDeadLetter(event, '_dead.user.created', { ...failure, group: undefined }) as Event;
    expect(deadLetterOf(letter)?.group).toBeNull();
    expect(JSON.parse(JSON.stringify(letter.metadata))).toEqual(letter.metadata);
  });

  test('an event that is not a dead letter has no origin', () => {
    expect(deadLetterOf(event)).toBeUndefined();
    const foreign = createEvent({ topic: 't', payload: 1, metadata: { [deadLetterKey]: null } });
    expect(deadLetterOf(foreign)).toBeUndefined();
  });
});

describe('createRawDeadLetter', () => {
  const record: RawRecord = {
    topic: 'user.created',
    bytes: new Uint8Array([0xff, 0]),
    headers: { 'content-type': 'x/y' },
    key: 'k',
    error: new UndecodableRecordError('it is not JSON'),
  };
  const write = (change: Partial<RawRecord>): Event =>
    createRawDeadLetter({ ...record, ...change }, '_dead.user.created', {
      ...failure,
      error: record.error,
    }) as Event;

  test('holds the bytes, the headers, the key and the reason', () => {
    const letter = write({});
    expect(letter).toMatchObject({ topic: '_dead.user.created', key: 'k' });
    expect(letter.payload).toBe(record.bytes);
    expect(deadLetterOf(letter)).toMatchObject({
      sourceTopic: 'user.created',
      headers: { 'content-type': 'x/y' },
      error: { name: 'UndecodableRecordError', message: 'Cannot decode the record: it is not JSON' },
    });
  });

  test.each(['x'.repeat(300), '\ud800'])('keeps a key that cannot be published, such as %j', (key) => {
    expect(write({ key }).key).toBe(key);
  });

  test.each(['', undefined])('has no key if the key of the record is %j', (key) => {
    expect(write({ key }).key).toBeUndefined();
  });

  test('has no headers if the record has none', () => {
    expect(deadLetterOf(write({ headers: undefined }))?.headers).toEqual({});
  });
});

describe('describeError', () => {
  test('describes an Error of any class', () => {
    const error = new RangeError('too far');
    expect(describeError(error)).toEqual({ name: 'RangeError', message: 'too far', stack: error.stack });
    const bare = new Error('x');
    delete bare.stack;
    expect(describeError(bare).stack).toBeNull();
  });

  test('describes an Error of another realm, such as one from a `vm` context of a test runner', () => {
    const thrown: unknown = runInNewContext('new RangeError("too far")');
    expect(describeError(thrown)).toMatchObject({ name: 'RangeError', message: 'too far' });
  });

  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  test.each<[unknown, string]>([
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
    [7, '7'],
    [10n, '10'],
    [Symbol('s'), 'Symbol(s)'],
    [{ code: 'E1' }, '{"code":"E1"}'],
    [['a'], '["a"]'],
    [cycle, 'a value that cannot be shown'],
    [{ big: 1n }, 'a value that cannot be shown'],
    [{ toJSON: () => undefined }, 'unknown'],
  ])('describes a thrown value that is not an Error', (thrown, message) => {
    expect(describeError(thrown)).toEqual({ name: 'NonError', message, stack: null });
  });

  test('describes an Error whose fields are not text, or throw', () => {
    const odd = Object.assign(new Error('x'), { name: 5, message: { a: 1 }, stack: ['frame'] });
    expect(describeError(odd)).toEqual({ name: '5', message: '[object Object]', stack: null });
    const hostile = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('no');
      },
    });
    expect(describeError(hostile).name).toBe('NonError');
  });
});
