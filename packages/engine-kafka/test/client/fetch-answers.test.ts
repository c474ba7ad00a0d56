import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { type FetchAnswer, type Response, fetchResponse } from '../../src/client/kafkajs/fetch-response.ts';

interface Bytes {
  readonly buffer: Buffer;
}

const require = createRequire(import.meta.url);
const theirs = require('kafkajs/src/protocol/requests/fetch/v11/response') as Response;
const message = require('kafkajs/src/protocol/message') as (of: {
  version: number;
}) => (message: object) => Bytes;
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (of: object) => Promise<Bytes>;
};
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (of: object) => Bytes;

const version = 11;
const int16 = (value: number): Buffer => Buffer.from(new Uint8Array([value >> 8, value]));
const int32 = (value: number): Buffer => Buffer.concat([int16(value >> 16), int16(value)]);
const int64 = (value: number): Buffer => Buffer.concat([int32(value < 0 ? -1 : 0), int32(value)]);

interface Part {
  readonly errorCode?: number;
  readonly records?: readonly Buffer[];
}

function answerOf(parts: readonly Part[]): Buffer {
  const partitions = parts.map(({ errorCode = 0, records = [] }, partition) => {
    const bytes = Buffer.concat(records);
    const offsets = [int64(9), int64(-1), int64(0)];
    return Buffer.concat([
      int32(partition),
      int16(errorCode),
      ...offsets,
      int32(-1),
      int32(-1),
      int32(bytes.length),
      bytes,
    ]);
  });
  const topic = Buffer.concat([int16(1), Buffer.from('t'), int32(partitions.length), ...partitions]);
  return Buffer.concat([int32(0), int16(0), int32(0), int32(1), topic]);
}

/** As brokers before Kafka 0.11 kept a record. */
function oldRecord(offset: number, value: string): Buffer {
  const { buffer } = message({ version: 1 })({ compression: 0, timestamp: 1000, key: 'k', value });
  return Buffer.concat([int64(offset), int32(buffer.length), buffer]);
}

async function batchAt(firstOffset: number, values: readonly string[]): Promise<Buffer> {
  const records = values.map((value, offsetDelta) =>
    Record({ key: 'k', value, offsetDelta, timestampDelta: 0 }),
  );
  const { buffer } = await RecordBatch({ firstOffset, records, lastOffsetDelta: values.length + 1 });
  return buffer;
}

async function decoded(parts: readonly Part[]): Promise<unknown> {
  const { decode, parse } = fetchResponse(theirs, version);
  const { partitions } = (await parse(await decode(answerOf(parts)))) as FetchAnswer;
  return partitions.map(({ records, next, failure }) => ({
    values: records.map(({ offset, value }) => `${offset} ${String(value)}`),
    next,
    failure: failure?.kind,
  }));
}

const none = { values: [], next: undefined, failure: undefined };

test('an error of one partition is reported for that partition, and the others are read', async () => {
  const batch = await batchAt(7, ['a', 'b']);
  const broken = Buffer.from(batch);
  // The length of the first record.
  broken[61] = 0xfe;
  expect(
    await decoded([{ errorCode: 1 }, { records: [batch] }, { errorCode: 3 }, { records: [broken] }, {}]),
  ).toEqual([
    { ...none, failure: 'offset' },
    { values: ['7 a', '8 b'], next: 11, failure: undefined },
    { ...none, failure: 'unknown-topic' },
    { ...none, failure: 'lasting' },
    none,
  ]);
});

test('complete batches are read, up to a batch that is truncated or cannot be read', async () => {
  const [first, second] = [await batchAt(0, ['a']), await batchAt(3, ['b'])];
  const broken = Buffer.from(second);
  broken[61] = 0xfe;
  const read = { values: ['0 a'], next: 3, failure: undefined };
  for (const end of [1, 11, 12, 60, second.length - 1]) {
    const cut = second.subarray(0, end);
    expect(await decoded([{ records: [first, cut] }, { records: [cut] }])).toEqual([read, none]);
  }
  expect(await decoded([{ records: [first, broken, first] }])).toEqual([read]);
});

test('records in the format before Kafka 0.11 are read, and newer records behind them with the next fetch', async () => {
  const old = [oldRecord(5, 'a'), oldRecord(6, 'b')];
  const batch = await batchAt(7, ['c']);
  const read = { values: ['5 a', '6 b'], next: 7, failure: undefined };
  expect(
    await decoded([{ records: [...old, batch] }, { records: [...old, old[0]!.subarray(0, 20)] }]),
  ).toEqual([read, read]);
});
