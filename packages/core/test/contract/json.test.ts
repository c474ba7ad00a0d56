import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidEventError } from '../../src/errors/errors.ts';
import { toJsonValue } from '../../src/contract/json.ts';
import { json } from '../arbitraries.ts';

const convert = (value: unknown): unknown => toJsonValue(value, 'payload', 'user.created');

const attempt = (value: unknown): { converted: unknown } | 'refused' => {
  try {
    return { converted: convert(value) };
  } catch (error) {
    if (error instanceof InvalidEventError) return 'refused';
    throw error;
  }
};

const nested = (levels: number, leaf: unknown): unknown => {
  let value = leaf;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};

class Money {
  readonly #currency = 'EUR';
  readonly amount: number;
  constructor(amount: number) {
    this.amount = amount;
  }
  get currency(): string {
    return this.#currency;
  }
}

const cycle: Record<string, unknown> = { a: { b: [] } };
(cycle['a'] as { b: unknown[] }).b.push(cycle);

describe('a value that JSON cannot represent is refused, with its path', () => {
  test.each<[string, unknown, string, RegExp]>([
    ['a cycle', cycle, 'payload.a.b[0]', /refers back to an object that contains it; publish a tree/],
    ['BigInt', { ids: [1, 10n] }, 'payload.ids[1]', /BigInt.*publish value\.toString\(\)/],
    ['a top-level BigInt', 10n, 'payload', /BigInt/],
    [
      'a function',
      { user: { greet: () => 1 } },
      'payload.user.greet',
      /the function greet.*publish a plain value/,
    ],
    ['a top-level function', () => 1, 'payload', /the function/],
    ['a symbol', { a: Symbol('s') }, 'payload.a', /Symbol\(s\).*publish a plain value/],
    ['NaN', { price: NaN }, 'payload.price', /is NaN.*publish null or a string/],
    ['Infinity', [Infinity], 'payload[0]', /is Infinity/],
    ['-Infinity', -Infinity, 'payload', /is -Infinity/],
    ['a Map', { m: new Map([[1, 2]]) }, 'payload.m', /Map.*publish Object\.fromEntries\(map\)/],
    ['a Set', new Set([1]), 'payload', /Set.*publish \[\.\.\.set\]/],
    ['a WeakMap', [new WeakMap()], 'payload[0]', /WeakMap/],
    ['a promise', { a: Promise.resolve(1) }, 'payload.a', /Promise/],
    ['an error', { e: new TypeError('x') }, 'payload.e', /TypeError.*publish \{ message: error\.message \}/],
    ['a regular expression', { r: /x/ }, 'payload.r', /RegExp/],
    [
      'nested bytes',
      { file: new Uint8Array(2) },
      'payload.file',
      /binary data inside.*publish a Uint8Array as the whole/,
    ],
    ['a nested Buffer', [Buffer.from('x')], 'payload[0]', /binary data inside/],
    ['other views of memory', new Float64Array(1), 'payload', /binary data/],
    ['plain memory', new ArrayBuffer(1), 'payload', /binary data/],
    ['an invalid Date', { at: new Date(NaN) }, 'payload.at', /publish/],
    ['what toJSON makes', { x: { toJSON: () => ({ n: NaN }) } }, 'payload.x.n', /is NaN/],
    ['a class instance with a bad field', new Money(NaN), 'payload.amount', /is NaN/],
  ])('%s', (_, value, field, message) => {
    expect(() => convert(value)).toThrow(
      expect.objectContaining({
        field,
        topic: 'user.created',
        message: expect.stringMatching(message) as string,
      }),
    );
    expect(() => convert(value)).toThrow(InvalidEventError);
  });

  test('refuses a value that throws when it is read, with the error as cause', () => {
    const cause = new Error('no such row');
    const fail = (): never => {
      throw cause;
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(() => convert({ toJSON: fail })).toThrow(expect.objectContaining({ field: 'payload', cause }));
    expect(() => convert(Object.defineProperty({}, 'a', { get: fail, enumerable: true }))).toThrow(
      expect.objectContaining({
        field: 'payload',
        cause,
        message: expect.stringContaining('publish plain data') as string,
      }),
    );
    expect(() => convert(proxy)).toThrow(InvalidEventError);
  });

  test('refuses deep nesting, with a short path in the message', () => {
    expect(() => convert(nested(5000, 1))).toThrow(/more than 1000 levels deep; publish a flatter value/);
    expect(() => convert(nested(5000, 1))).toThrow(
      expect.objectContaining({ field: expect.stringMatching(/^payload\..{0,100}…$/) as string }),
    );
    expect(() => convert(nested(1002, []))).toThrow(InvalidEventError);
    expect(convert(nested(1000, 1))).toEqual(nested(1000, 1));
  });

  test('accepts the same object twice, because that is not a cycle', () => {
    const shared = { at: new Date(0) };
    expect(convert([shared, shared])).toEqual([
      { at: '1970-01-01T00:00:00.000Z' },
      { at: '1970-01-01T00:00:00.000Z' },
    ]);
  });
});

describe('a value that JSON changes is converted', () => {
  test.each<[string, unknown, unknown]>([
    ['a Date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['a nested Date', { a: [new Date(0)] }, { a: ['1970-01-01T00:00:00.000Z'] }],
    ['a class instance', new Money(5), { amount: 5 }],
    ['toJSON', { toJSON: () => [1] }, [1]],
    ['toJSON that uses its key', { a: { toJSON: (key: string) => key.toUpperCase() } }, { a: 'A' }],
    ['toJSON that returns nothing', { toJSON: () => undefined }, undefined],
    ['a hole', [1, undefined, 3], [1, null, 3]],
    ['minus zero', { a: [-0] }, { a: [0] }],
    ['a boxed string', { a: Object('x') }, { a: 'x' }],
    [
      'a symbol as key, beside a Date',
      { [Symbol('s')]: 1, b: new Date(0) },
      { b: '1970-01-01T00:00:00.000Z' },
    ],
  ])('%s', (_, value, expected) => {
    expect(convert(value)).toStrictEqual(expected);
  });
});

describe('a JSON value passes', () => {
  test('by reference: objects, arrays, null prototypes, absent optional properties, own __proto__ keys and symbols as keys', () => {
    for (const value of [
      { a: [1, 'x', null, true, { b: {} }] },
      [],
      Object.assign(Object.create(null) as object, { a: 1 }),
      { a: undefined },
      JSON.parse('{"__proto__":{"x":1}}') as unknown,
      { [Symbol('s')]: 1, b: 2 },
    ]) {
      expect(convert(value)).toBe(value);
    }
  });

  test('unchanged if it is bytes', () => {
    for (const bytes of [new Uint8Array([1]), Buffer.from('x'), new Uint8Array(0)])
      expect(convert(bytes)).toBe(bytes);
  });

  test.each([[undefined], [null], [''], ['text'], [true], [0], [1.5]])('%j', (value) => {
    expect(convert(value)).toBe(value);
  });

  test('and is returned as the same object, for any JSON value', () => {
    assert(
      fc.property(json, (value) => {
        expect(convert(value)).toBe(value);
        deepStrictEqual(convert(value), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('any other value is converted as JSON converts it, or refused', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
      withBoxedValues: true,
    });
    let passed = 0;
    assert(
      fc.property(anything, (value) => {
        const outcome = attempt(value);
        if (outcome === 'refused') return;
        passed++;
        expect(JSON.stringify(outcome.converted)).toBe(JSON.stringify(value));
      }),
      { numRuns: 1000 },
    );
    expect(passed).toBeGreaterThan(100);
  });
});
