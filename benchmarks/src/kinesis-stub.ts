import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeStructured } from '@polybus/core/cloudevents';
import { createEvent } from '@polybus/core/engine';

/** A stub of Kinesis that returns fixed answers in a separate process, so that benchmarks measure the work of the client. */
const [pages = 0, perPage = 0] = process.argv.slice(2).map(Number);
const payload = { id: 'u-1', name: 'Ada', roles: ['admin'], address: { city: 'London', zip: 'N1' } };
const shardId = 'shardId-000000000000';
const contents = Array.from({ length: perPage }, (_, n) => {
  const key = `key-${n}`;
  const text = encodeStructured(createEvent({ topic: 'bench.events', payload, key }), { source: 'stub' });
  return { Data: Buffer.from(text).toString('base64'), PartitionKey: key, n };
});

function getRecords(iterator: number): string {
  if (iterator >= pages) {
    return JSON.stringify({ Records: [], NextShardIterator: String(iterator), MillisBehindLatest: 0 });
  }
  const Records = contents.map(({ Data, PartitionKey, n }) => ({
    Data,
    PartitionKey,
    SequenceNumber: String(10 ** 9 + iterator * contents.length + n),
    ApproximateArrivalTimestamp: 1_700_000_000,
  }));
  return JSON.stringify({ Records, NextShardIterator: String(iterator + 1), MillisBehindLatest: 1 });
}

/** Created before the measurement starts. */
const answers = Array.from({ length: pages + 1 }, (_, page) => getRecords(page));
const accepted = `{"SequenceNumber":"1","ShardId":"${shardId}"}`;

function answerTo(operation: string, body: string): string {
  if (operation === 'PutRecord') return accepted;
  if (operation === 'PutRecords') {
    const count = body.split('"PartitionKey"').length - 1;
    return `{"FailedRecordCount":0,"Records":[${Array<string>(count).fill(accepted).join()}]}`;
  }
  if (operation === 'GetRecords') return answers[Number(/"ShardIterator":"(\d+)"/.exec(body)?.[1] ?? pages)]!;
  if (operation === 'GetShardIterator') return `{"ShardIterator":"${body.includes('LATEST') ? pages : 0}"}`;
  if (operation === 'ListShards') {
    return `{"Shards":[{"ShardId":"${shardId}","SequenceNumberRange":{"StartingSequenceNumber":"0"}}]}`;
  }
  return '{"StreamDescriptionSummary":{"StreamStatus":"ACTIVE","StreamCreationTimestamp":1700000000}}';
}

async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  const body = await textOf(incoming);
  const operation = String(incoming.headers['x-amz-target']).split('.')[1] ?? '';
  answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
  answer.end(answerTo(operation, body));
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const server = createServer((incoming, answer) => void handle(incoming, answer));
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
