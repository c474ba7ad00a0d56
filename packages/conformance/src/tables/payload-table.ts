/** A payload, and the value that every handler on every engine gets. */
export interface PayloadRow {
  readonly name: string;
  readonly payload: unknown;
  /** The value on arrival, if JSON changes the payload. */
  readonly arrives?: unknown;
}

class Money {
  readonly #amount: number;
  readonly currency = 'EUR';

  constructor(amount: number) {
    this.#amount = amount;
  }

  get amount(): number {
    return this.#amount;
  }
}

class Stamped {
  toJSON(): unknown {
    return { stamped: true };
  }
}

function nested(depth: number): unknown {
  let value: unknown = 'bottom';
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? { value } : [value];
  return value;
}

const date = new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 250));

/** Payloads that can be published. */
export const payloadTable: readonly PayloadRow[] = [
  { name: 'null', payload: null },
  { name: 'undefined', payload: undefined },
  { name: 'the empty string', payload: '' },
  { name: 'zero', payload: 0 },
  { name: 'minus zero, which JSON does not know', payload: -0, arrives: 0 },
  { name: 'false', payload: false },
  { name: 'an empty object', payload: {} },
  { name: 'an empty list', payload: [] },
  {
    name: 'numbers at their limits',
    payload: [Number.MAX_SAFE_INTEGER, Number.MIN_VALUE, Number.MAX_VALUE, 0.1 + 0.2, -1e-7],
  },
  {
    name: 'text of many scripts',
    payload:
      'Grüße, Ελλάδα, Привет, 你好, こんにちは, שלום, مرحبا, \u{1F600}\u{1F468}\u{200D}\u{1F469}, e\u0301, \u0000\u0007\u2028\u2029\uFEFF',
  },
  { name: 'text with half a surrogate pair', payload: ['\ud800', 'a\udc00b'] },
  { name: 'text that looks like JSON', payload: '{"specversion":"1.0","data":null}' },
  {
    name: 'names that JavaScript knows',
    payload: JSON.parse('{"__proto__":{"x":1},"constructor":"c","toString":1,"length":0}'),
  },
  {
    name: 'names of CloudEvents',
    payload: { specversion: '1.0', type: 't', data: { data: 1 }, data_base64: 'AAAA' },
  },
  { name: 'unicode names', payload: { ключ: 1, 鍵: { '\u{1F511}': 2 }, '': 3, 'a.b': 4, ' ': 5 } },
  { name: 'deep nesting', payload: nested(200) },
  // With its envelope this stays within the 1 MiB that Kinesis and Kafka accept by default.
  { name: '1 MB of text', payload: 'x€'.repeat(250_000) },
  { name: 'a list of 10 000', payload: Array.from({ length: 10_000 }, (_, n) => ({ n })) },
  { name: 'bytes', payload: Uint8Array.from({ length: 256 }, (_, n) => n) },
  { name: 'no bytes', payload: new Uint8Array(0) },
  {
    name: 'a window on bytes',
    payload: Uint8Array.from([1, 2, 3, 4, 5]).subarray(1, 4),
    arrives: Uint8Array.from([2, 3, 4]),
  },
  { name: 'a Buffer', payload: Buffer.from('grün'), arrives: new TextEncoder().encode('grün') },
  { name: 'a Date', payload: date, arrives: '2024-02-29T12:30:15.250Z' },
  { name: 'a Date inside', payload: { at: [date] }, arrives: { at: ['2024-02-29T12:30:15.250Z'] } },
  { name: 'a class instance', payload: new Money(5), arrives: { currency: 'EUR' } },
  {
    name: 'something with toJSON',
    payload: { list: [new Stamped()] },
    arrives: { list: [{ stamped: true }] },
  },
  { name: 'an absent property', payload: { here: 1, absent: undefined }, arrives: { here: 1 } },
  { name: 'a hole in a list', payload: [1, undefined, 3], arrives: [1, null, 3] },
];

const cycle: Record<string, unknown> = { list: [] };
(cycle['list'] as unknown[]).push(cycle);

/** Payloads that are refused, each with the field that the error names. */
export const refusedPayloads: readonly { readonly payload: unknown; readonly field: string }[] = [
  { payload: cycle, field: 'payload.list[0]' },
  { payload: 10n, field: 'payload' },
  { payload: { total: { amount: 10n } }, field: 'payload.total.amount' },
  { payload: () => 1, field: 'payload' },
  { payload: { list: [1, () => 1] }, field: 'payload.list[1]' },
  { payload: Symbol('sign'), field: 'payload' },
  { payload: { sign: Symbol('sign') }, field: 'payload.sign' },
  { payload: Number.NaN, field: 'payload' },
  { payload: { n: Number.POSITIVE_INFINITY }, field: 'payload.n' },
  { payload: new Map([[1, 2]]), field: 'payload' },
  { payload: { set: new Set([1]) }, field: 'payload.set' },
  { payload: { bytes: new Uint8Array(2) }, field: 'payload.bytes' },
  { payload: new ArrayBuffer(2), field: 'payload' },
  { payload: Promise.resolve(1), field: 'payload' },
  { payload: { error: new Error('lost') }, field: 'payload.error' },
  { payload: { date: new Date(Number.NaN) }, field: 'payload.date' },
  {
    payload: {
      get broken(): never {
        throw new Error('no such thing');
      },
    },
    field: 'payload',
  },
];
