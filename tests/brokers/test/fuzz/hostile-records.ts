import * as fc from 'fast-check';

/** A record that a program without polybus wrote, or that was damaged on its way. */
export interface HostileRecord {
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, Buffer>>;
  readonly key: Buffer | undefined;
}

const envelope = JSON.stringify({
  specversion: '1.0',
  id: 'foreign',
  source: '/fuzz',
  type: 'fuzz',
  time: '2026-01-01T00:00:00Z',
  datacontenttype: 'application/json',
  partitionkey: 'a',
  polybusmetadata: '{"tenant":"t"}',
  data: { text: 'x'.repeat(40), numbers: [1, 2, 3] },
});

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const cut = fc.nat(envelope.length).map((length) => Buffer.from(envelope.slice(0, length)));
const changed = fc.tuple(fc.nat(envelope.length - 1), fc.nat(255)).map(([at, byte]) => {
  const copy = Buffer.from(envelope);
  copy[at] = byte;
  return copy;
});
const json = fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text));
const valid = fc.constant(Buffer.from(envelope));

const names = fc.constantFrom(
  'content-type',
  'ce_specversion',
  'ce_id',
  'ce_source',
  'ce_type',
  'ce_time',
  'ce_partitionkey',
  'ce_polybusmetadata',
  '__proto__',
  'constructor',
  '',
);
const texts = fc.constantFrom(
  'application/cloudevents+json',
  'application/cloudevents+json; charset=utf-16',
  'application/json',
  `text/plain; charset=${'\t'.repeat(5000)}`,
  '1.0',
  '0.3',
  'h'.repeat(8000),
  '{"__proto__":{"polluted":true}}',
);
const header = fc.tuple(
  fc.oneof(names, fc.string({ maxLength: 20 })),
  fc.oneof(
    texts.map((text) => Buffer.from(text)),
    bytes,
  ),
);
const headers = fc
  .array(header, { maxLength: 6 })
  // Without a prototype, so that a header can have any name.
  .map(
    (entries) => Object.assign(Object.create(null), Object.fromEntries(entries)) as Record<string, Buffer>,
  );
const structured = fc.constant({ 'content-type': Buffer.from('application/cloudevents+json') });

const record: fc.Arbitrary<HostileRecord> = fc.record({
  value: fc.oneof(bytes, cut, changed, json, valid),
  headers: fc.oneof(headers, structured),
  key: fc.option(
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((key) => Buffer.from(key)),
    { nil: undefined },
  ),
});

/** The same records for the same seed. */
export function hostileRecords(seed: number, count: number): HostileRecord[] {
  return fc.sample(record, { seed, numRuns: count });
}
