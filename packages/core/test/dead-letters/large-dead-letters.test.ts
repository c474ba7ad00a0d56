import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  type Event,
  type NewEvent,
  PolybusError,
  UndecodableRecordError,
  deadLetterOf,
} from '../../src/index.ts';
import { encodeStructured } from '../../src/cloudevents/index.ts';
import { createEngine, createEvent } from '../../src/engine/index.ts';
import { publishFitting } from '../../src/dead-letters/cut-dead-letter.ts';
import { deadLetterKey } from '../../src/dead-letters/dead-letter.ts';
import { PublishedEvent } from '../../src/contract/event.ts';
import { ManualTransport, quietHost, turn } from '../transport-support.ts';

const standardLimit = 20_000;
const limit = standardLimit;

/** An engine whose broker limits the number of characters of an event, and whose handlers fail. */
async function start(
  letters: NewEvent[],
  limit = standardLimit,
  onEvent: (event: Event<never>) => void = () => {},
): Promise<ManualTransport> {
  const transport = new ManualTransport();
  const engine = createEngine({
    type: 'test',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => transport.open(context),
  });
  engine.attach!(
    quietHost(async (event) => {
      if (encodeStructured(event as Event, { source: 'test' }).length > limit)
        throw new PolybusError('RECORD_TOO_LARGE', 'too large');
      letters.push(event);
    }),
  );
  await engine.start();
  const handler = (event: Event<never>): never => {
    onEvent(event);
    throw new Error(String(event.payload));
  };
  await engine.subscribe('t', handler, { retry: { attempts: 1 } });
  return transport;
}

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('the dead letter of a very large undecodable record contains its first bytes, and the record is acknowledged', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters);
  const bytes = new Uint8Array(limit).fill(0xff);
  const error = new UndecodableRecordError('no');
  let settled = 0;
  const acknowledgement = { settled: () => void settled++, release: () => true };
  transport.receiver('t').undecodable({ topic: 't', bytes, error, headers: { a: 'b' } }, acknowledgement);
  await expect.poll(() => settled).toBe(1);
  expect(letters).toMatchObject([{ topic: '_dead.t', payload: bytes.subarray(0, 8192) }]);
  expect(letters[0]?.metadata?.[deadLetterKey]).toMatchObject({
    cut: { bytes: limit, sha256: sha256(bytes) },
    headers: { a: 'b' },
  });
});

test('the dead letter of a very large event contains the start of the payload, whatever else is large', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters);
  const payload = 'x'.repeat(limit - 1000);
  const metadata = { small: 1, large: 'y'.repeat(2000) };
  const event = createEvent({ topic: 't', payload, key: 'k', metadata });
  let settled = 0;
  const acknowledgement = { settled: () => void settled++, release: () => true };
  transport.receiver('t').deliver(event, acknowledgement);
  await turn();
  await expect.poll(() => settled).toBe(1);
  expect(letters).toMatchObject([{ id: event.id, topic: '_dead.t', key: 'k' }]);
  const json = JSON.stringify(payload);
  expect(letters[0]?.payload).toBe(json.slice(0, 8192));
  expect(letters[0]?.metadata?.[deadLetterKey]).toMatchObject({ cut: { bytes: json.length } });
  expect(letters[0]?.metadata).not.toHaveProperty('large');
});

/** Delivers an event as its broker had it, and waits for it to be acknowledged. */
async function deliver(transport: ManualTransport, event: Event): Promise<void> {
  let settled = 0;
  transport.receiver('t').deliver(event, { settled: () => void settled++, release: () => true });
  await turn();
  await expect.poll(() => settled).toBe(1);
}

test('only the error is shortened if that is enough', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters);
  const payload = 'x'.repeat(limit - 8000);
  const event = createEvent({ topic: 't', payload, key: 'k', metadata: { small: 1 } });
  await deliver(transport, event);
  const [letter] = letters as Event[];
  expect(letter).toMatchObject({ id: event.id, payload, key: 'k', metadata: { small: 1 } });
  expect(deadLetterOf(letter!)?.cut).toEqual({
    fields: ['error.message', 'error.stack'],
    bytes: payload.length + 2,
    sha256: sha256(JSON.stringify(payload)),
  });
});

test('a dead letter keeps its tenant when its metadata is shortened', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters, 3000);
  const tenant = 't'.repeat(64);
  const others = Array.from({ length: 200 }, (_, i) => [`header-${i}`, 'value']);
  const metadata = { ...Object.fromEntries(others), tenant } as Record<string, unknown>;
  await deliver(transport, createEvent({ topic: 't', payload: 'x'.repeat(limit), metadata }));
  expect(letters[0]?.metadata).toMatchObject({ tenant });
  expect(deadLetterOf(letters[0] as Event)?.cut?.fields).toContain('metadata');
});

test('fields of received events that exceed the publish limits are kept if there is room', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters);
  const id = 'i'.repeat(300);
  const key = 'k'.repeat(12_000);
  await deliver(transport, new PublishedEvent(id, 't', 'x'.repeat(12_000), {}, key, new Date(0)));
  const [letter] = letters as Event[];
  expect(letter).toMatchObject({ id, createdAt: new Date(0), payload: expect.stringMatching(/^"x{8191}$/) });
  expect(letter?.key).toBe(`${key.slice(0, 1024)}-${sha256(key).slice(0, 16)}`);
  expect(deadLetterOf(letter!)?.cut?.fields).toEqual(['payload', 'key', 'error.message', 'error.stack']);
});

test('a dead letter fits into a few kilobytes, whichever field is large', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters, 2048);
  const long = '"\u0000\ud83d\ude00'.repeat(10_000);
  const metadata = { a: long, [long]: 1, small: 1 };
  await deliver(transport, new PublishedEvent(long, 't', { [long]: long }, metadata, long, new Date(0)));
  expect(letters).toHaveLength(1);
  expect(letters[0]?.metadata).toHaveProperty('small', 1);
  const headers = { a: long, [long]: 'b', small: 'c' };
  const error = new UndecodableRecordError(long);
  let settled = 0;
  const acknowledgement = { settled: () => void settled++, release: () => true };
  const record = { topic: 't', bytes: Buffer.from(long), error, headers, key: long };
  transport.receiver('t').undecodable(record, acknowledgement);
  await expect.poll(() => settled).toBe(1);
  expect(deadLetterOf(letters[1] as Event)).toMatchObject({
    headers: { small: 'c' },
    cut: { fields: ['payload', 'key', 'error.message', 'error.stack', 'headers'] },
  });
});

test.each<[string, unknown, (event: { payload: { self?: unknown } }) => void, string]>([
  [
    'a cycle',
    { a: 1 },
    ({ payload }) => void (payload.self = payload),
    '<ref *1> { a: 1, self: [Circular *1] }',
  ],
  ['a BigInt', { a: 1 }, ({ payload }) => void (payload.self = 5n), '{ a: 1, self: 5n }'],
])(
  'a dead letter is written for an event into which the handler has put %s',
  async (_, payload, change, shown) => {
    const letters: NewEvent[] = [];
    const transport = await start(letters, limit, change as never);
    await deliver(transport, createEvent({ topic: 't', payload, key: 'k', metadata: { m: 1 } }));
    expect(letters).toMatchObject([{ payload: shown, key: 'k', metadata: { m: 1 } }]);
    expect(deadLetterOf(letters[0] as Event)?.cut?.fields).toEqual(['payload']);
  },
);

test('a dead letter is written for an event whose metadata or time the handler has made invalid', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters, limit, ({ metadata, createdAt }) => {
    Object.assign(metadata, { large: 1n });
    createdAt.setTime(Number.NaN);
  });
  await deliver(transport, createEvent({ topic: 't', payload: 1, metadata: { m: 1 } }));
  expect(letters).toMatchObject([{ payload: 1, metadata: { m: 1 }, createdAt: expect.any(Date) as Date }]);
  expect(deadLetterOf(letters[0] as Event)?.cut?.fields).toEqual(['metadata', 'createdAt']);
});

test('a dead letter that is shortened twice lists the fields of both times', async () => {
  const before = { fields: ['payload'], bytes: 123_456, sha256: 'of the complete payload' };
  const origin = { error: { name: 'Error', message: 'x'.repeat(2000), stack: null }, cut: before };
  const letter = new PublishedEvent(
    'id',
    '_dead.t',
    'short',
    { [deadLetterKey]: origin },
    undefined,
    new Date(),
  );
  const written: PublishedEvent[] = [];
  await publishFitting(letter, async (fitting) => {
    if (fitting === letter) throw new PolybusError('RECORD_TOO_LARGE', 'too large');
    written.push(fitting);
  });
  expect(written[0]?.metadata[deadLetterKey]).toMatchObject({
    cut: { ...before, fields: ['payload', 'error.message'] },
  });
});
