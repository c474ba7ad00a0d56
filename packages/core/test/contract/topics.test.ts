import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidTopicError } from '../../src/errors/errors.ts';
import {
  TopicMatcher,
  assertTopic,
  assertTopicOrPattern,
  isInternalTopic,
  isPattern,
  matchesTopic,
  patternCovers,
  patternsOverlap,
} from '../../src/contract/topics.ts';
import { topic } from '../arbitraries.ts';

/** A prefix ends anywhere in a topic, also on a dot. */
const prefix = fc.tuple(topic, fc.constantFrom('', '.')).map(([text, end]) => text + end);
const pattern = fc.oneof(
  topic,
  fc.constantFrom('*', '_*'),
  prefix.map((text) => `${text}*`),
);

const isValid = (check: (text: unknown) => void, text: unknown): boolean => {
  try {
    check(text);
    return true;
  } catch (error) {
    if (error instanceof InvalidTopicError) return false;
    throw error;
  }
};

describe('grammar', () => {
  test.each([
    ['user.created', true, true],
    ['a', true, true],
    ['A-b_9.x', true, true],
    ['_dead.user', true, true],
    ['a'.repeat(249), true, true],
    ['a'.repeat(250), false, false],
    [`${'a'.repeat(248)}*`, false, true],
    [`${'a'.repeat(249)}*`, false, false],
    ['*', false, true],
    ['user.*', false, true],
    ['user*', false, true],
    ['_*', false, true],
    ['**', false, false],
    ['*.created', false, false],
    ['user.*.created', false, false],
    ['user.**', false, false],
    ['.*', false, false],
    ['user..*', false, false],
    ['', false, false],
    ['.', false, false],
    ['.user', false, false],
    ['user.', false, false],
    ['user..created', false, false],
    ['user created', false, false],
    [' user', false, false],
    ['user\n', false, false],
    ['usér', false, false],
    ['user/created', false, false],
    ['user.>', false, false],
    [undefined, false, false],
    [null, false, false],
    [7, false, false],
    [['user'], false, false],
    [new String('user'), false, false],
  ])('%j: topic %s, pattern %s', (text, isTopic, isTopicOrPattern) => {
    expect(isValid(assertTopic, text)).toBe(isTopic);
    expect(isValid(assertTopicOrPattern, text)).toBe(isTopicOrPattern);
  });

  test.each([
    ['', /it is empty/],
    ['a'.repeat(250), /it has 250 characters; at most 249/],
    ['user.*', /a wildcard is one "\*" at the end of a pattern, and a topic has none/],
    ['user..x', /an empty segment/],
    ['.user', /an empty segment/],
    ['user.', /an empty segment/],
    ['user x', /letters A-Z and a-z, digits/],
    [7, /a topic is a string/],
  ])('the error for the topic %j says how to correct it', (text, message) => {
    expect(() => assertTopic(text)).toThrow(message);
  });

  test('the error for a pattern says how to correct it, and quotes only its start', () => {
    expect(() => assertTopicOrPattern('a*b*')).toThrow(/one "\*" at the end/);
    expect(() => assertTopicOrPattern(7)).toThrow(/a topic or pattern is a string/);
    const { message } = new InvalidTopicError('x'.repeat(5000), 'no.');
    expect(message.length).toBeLessThan(150);
  });

  test('every topic is a valid topic and a valid pattern', () => {
    assert(
      fc.property(topic, pattern, (topic, pattern) => {
        expect(isValid(assertTopic, topic)).toBe(true);
        expect(isValid(assertTopicOrPattern, pattern)).toBe(true);
        expect(isValid(assertTopic, pattern)).toBe(!isPattern(pattern));
      }),
    );
  });
});

test.each([
  ['user.created', 'user.created', true],
  ['user.created', 'user.created.x', false],
  ['user.*', 'user.created', true],
  ['user.*', 'user.profile.updated', true],
  ['user.*', 'user', false],
  ['user.*', 'users.created', false],
  ['user*', 'user', true],
  ['user*', 'users.created', true],
  ['*', 'user', true],
  ['*', '_dead.user', false],
  ['_*', '_dead.user', true],
  ['_*', 'user', false],
  ['_dead.*', '_dead.user', true],
  ['_dead.user', '_dead.user', true],
  ['User.*', 'user.created', false],
])('matchesTopic(%j, %j) is %s', (pattern, topic, expected) => {
  expect(matchesTopic(pattern, topic)).toBe(expected);
});

/** Topics that show which topics a pattern matches: its prefix, and two continuations that no single pattern distinguishes. */
const witnesses = (pattern: string): string[] => {
  if (!isPattern(pattern)) return [pattern];
  const prefix = pattern.slice(0, -1);
  return [prefix, `${prefix}a`, `${prefix}b`].filter(
    (topic) => isValid(assertTopic, topic) && matchesTopic(pattern, topic),
  );
};

describe('patternsOverlap and patternCovers', () => {
  test.each([
    ['user.*', '*', true, false],
    ['*', 'user.*', true, true],
    ['*', '_*', false, false],
    ['*', '_dead.user', false, false],
    ['user.*', 'user.profile.*', true, true],
    ['user.profile.*', 'user.*', true, false],
    ['user.*', 'user', false, false],
    ['user*', 'user', true, true],
    ['user', 'user*', true, false],
    ['user', 'user', true, true],
    ['user.*', 'order.*', false, false],
  ])('%j and %j', (a, b, overlap, covers) => {
    expect(patternsOverlap(a, b)).toBe(overlap);
    expect(patternsOverlap(b, a)).toBe(overlap);
    expect(patternCovers(a, b)).toBe(covers);
  });

  test('two patterns overlap exactly if a topic matches both', () => {
    assert(
      fc.property(pattern, pattern, topic, (a, b, random) => {
        const both = [...witnesses(a), ...witnesses(b), random].filter(
          (topic) => matchesTopic(a, topic) && matchesTopic(b, topic),
        );
        expect(patternsOverlap(a, b)).toBe(both.length > 0);
      }),
      { numRuns: 2000 },
    );
  });

  test('a pattern covers another exactly if it matches every topic of the other', () => {
    assert(
      fc.property(pattern, pattern, topic, (outer, inner, random) => {
        const topics = [...witnesses(inner), random].filter((topic) => matchesTopic(inner, topic));
        expect(patternCovers(outer, inner)).toBe(topics.every((topic) => matchesTopic(outer, topic)));
      }),
      { numRuns: 2000 },
    );
  });

  test('patterns match internal topics only if they start with an underscore', () => {
    assert(
      fc.property(pattern, topic, (pattern, topic) => {
        fc.pre(isInternalTopic(topic) && !isInternalTopic(pattern));
        expect(matchesTopic(pattern, topic)).toBe(false);
      }),
    );
  });
});

describe('TopicMatcher', () => {
  test('finds the same values in the same order as a filtered list, after any additions and removals', () => {
    const few = fc.constantFrom('*', 'a', 'a*', 'a.*', '_*');
    const step = fc.record({
      isAdd: fc.boolean(),
      pattern: fc.oneof(few, pattern),
      value: fc.nat({ max: 4 }),
    });
    assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.array(topic, { maxLength: 8 }), (steps, topics) => {
        const matcher = new TopicMatcher<number>();
        let list: { pattern: string; value: number }[] = [];
        for (const { isAdd, pattern, value } of steps) {
          const has = list.some((entry) => entry.pattern === pattern && entry.value === value);
          if (isAdd) matcher.add(pattern, value);
          const removed = isAdd || matcher.remove(pattern, value) === has;
          expect(removed).toBe(true);
          if (isAdd && !has) list.push({ pattern, value });
          if (!isAdd) list = list.filter((entry) => entry.pattern !== pattern || entry.value !== value);
          for (const topic of [...topics, ...witnesses(pattern)]) {
            const matching = list.filter((entry) => matchesTopic(entry.pattern, topic));
            expect(matcher.match(topic)).toEqual([...new Set(matching.map((entry) => entry.value))]);
          }
          const ofPattern = list.filter((entry) => entry.pattern === pattern);
          expect(matcher.get(pattern)).toEqual(ofPattern.map((entry) => entry.value));
          expect(matcher.patterns().toSorted()).toEqual(
            [...new Set(list.map((entry) => entry.pattern))].toSorted(),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  test('returns a value of several patterns once, at the position where it was added first', () => {
    const matcher = new TopicMatcher<string>();
    matcher.add('user.*', 'first');
    matcher.add('user.created', 'second');
    matcher.add('*', 'first');
    expect(matcher.match('user.created')).toEqual(['first', 'second']);
    matcher.remove('user.*', 'first');
    expect(matcher.match('user.created')).toEqual(['second', 'first']);
  });

  test('keeps the position of a value that was added twice, and removes it at the first removal', () => {
    const matcher = new TopicMatcher<string>();
    matcher.add('user.*', 'first');
    matcher.add('user.*', 'second');
    matcher.add('user.*', 'first');
    expect(matcher.match('user.created')).toEqual(['first', 'second']);
    expect(matcher.remove('user.*', 'first')).toBe(true);
    expect(matcher.match('user.created')).toEqual(['second']);
  });

  test('caches matches of at most 10 000 topics', () => {
    const matcher = new TopicMatcher<string>();
    matcher.add('t*', 'value');
    const answer = matcher.match('topic');
    expect(matcher.match('topic')).toBe(answer);
    for (let i = 0; i < 9_999; i++) matcher.match(`t${i}`);
    expect(matcher.match('topic')).toBe(answer);
    matcher.match('one.more');
    expect(matcher.match('topic')).not.toBe(answer);
    expect(matcher.match('topic')).toEqual(answer);
  });
});
