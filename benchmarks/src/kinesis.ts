import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  PutRecordCommand,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { decodeStructured, encodeStructured } from '@polybus/core/cloudevents';
import { createEvent } from '@polybus/core/engine';
import { kinesisEngine } from '@polybus/engine-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/**
 * Compares the Kinesis engine with the SDK used by hand, which does the same work in the same run: it creates events, encodes them as
 * CloudEvents, sends, receives, and decodes them. Both call a stub on loopback that returns fixed answers, because a local Kinesis gets
 * slower with each record that it stores.
 */
const payload = {
  id: 'u-1',
  name: 'Ada',
  roles: ['admin', 'author'],
  address: { city: 'London', zip: 'N1' },
};
const StreamName = 'bench';
const source = 'bench';
const topic = 'bench.events';
const rounds = 5;
const events = 50_000;
const oneByOne = 500;
const inFlight = 1000;
const pages = 60;
const perPage = 1000;

function encode(key: string): Buffer {
  return Buffer.from(encodeStructured(createEvent({ topic, payload, key }), { source }));
}

const program = fileURLToPath(new URL('kinesis-stub.js', import.meta.url));
const args = [program, String(pages), String(perPage)];
const stub = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
process.once('exit', () => stub.kill());
const [said] = (await once(stub.stdout, 'data')) as [Buffer];
const port = Number(said.toString());
const address = {
  endpoint: `http://127.0.0.1:${port}`,
  region: 'us-east-1',
  accessKeyId: 'bench',
  secretAccessKey: 'bench',
};
const client = new KinesisClient({
  endpoint: address.endpoint,
  region: address.region,
  // The SDK modifies the object that it gets.
  credentials: { ...address },
  requestHandler: new NodeHttpHandler(),
});

type Measures = Readonly<Record<string, () => Promise<number>>>;

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return (count / (performance.now() - since)) * 1000;
}

/** Runs `inFlight` publishers, each of which awaits its publish. */
async function publishAll(publish: (n: number) => Promise<unknown>, count: number): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await publish(n);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

async function withEngine(
  more: object,
  measure: (publish: (key: string) => Promise<void>) => Promise<number>,
): Promise<number> {
  const engine = kinesisEngine({ ...address, ...more, streamName: StreamName });
  await engine.start();
  try {
    return await measure((key) => engine.publish({ topic, payload, key }));
  } finally {
    await engine.stop();
  }
}

const publishing: Measures = {
  'PutRecord, one by one': () =>
    perSecond(oneByOne, async () => {
      for (let n = 0; n < oneByOne; n++) {
        const key = `key-${n}`;
        await client.send(new PutRecordCommand({ StreamName, PartitionKey: key, Data: encode(key) }));
      }
    }),
  'PutRecords of 500 by hand, two at once': () =>
    perSecond(events, async () => {
      let next = 0;
      const work = async (): Promise<void> => {
        while (next < events) {
          const first = next;
          next += 500;
          const Records = Array.from({ length: 500 }, (_, n) => {
            const key = `key-${(first + n) % inFlight}`;
            return { PartitionKey: key, Data: encode(key) };
          });
          await client.send(new PutRecordsCommand({ StreamName, Records }));
        }
      };
      await Promise.all([work(), work()]);
    }),
  'publish, 1000 in flight, 1000 keys': () =>
    withEngine({}, (publish) =>
      perSecond(events, () => publishAll((n) => publish(`key-${n % inFlight}`), events)),
    ),
  'publish, 1000 in flight, one key, aggregate': () =>
    withEngine({ aggregate: true }, (publish) =>
      perSecond(events, () => publishAll(() => publish('one'), events)),
    ),
};

const reading: Measures = {
  'GetRecords in a loop, decoded': () =>
    perSecond(pages * perPage, async () => {
      const start = { ShardId: 'shardId-000000000000', ShardIteratorType: 'TRIM_HORIZON' } as const;
      let { ShardIterator } = await client.send(new GetShardIteratorCommand({ StreamName, ...start }));
      let seen = 0;
      while (seen < pages * perPage) {
        const page = await client.send(new GetRecordsCommand({ ShardIterator, Limit: perPage }));
        for (const { Data } of page.Records ?? []) {
          decodeStructured(Buffer.from(Data ?? []).toString());
          seen++;
        }
        ShardIterator = page.NextShardIterator;
      }
    }),
  'subscribe from the earliest': async () => {
    const engine = kinesisEngine({ ...address, streamName: StreamName, readsPerSecond: 100_000 });
    await engine.start();
    try {
      return await perSecond(pages * perPage, async () => {
        let seen = 0;
        let done!: () => void;
        const arrived = new Promise<void>((resolve) => (done = resolve));
        const handler = (): void => {
          if (++seen === pages * perPage) done();
        };
        await engine.subscribe(topic, handler, { from: 'earliest', bufferSize: perPage * 2 });
        await arrived;
      });
    } finally {
      await engine.stop();
    }
  },
};

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const results = new Map<string, number[]>();
const phases = process.argv.includes('--mixed') ? [{ ...publishing, ...reading }] : [publishing, reading];
// Before Node 24, the first handler makes every promise of the process slower (AsyncLocalStorage), so publishing is measured first.
// With `--mixed` it is measured in a process that has run handlers.
for (const measures of phases) {
  for (let round = 0; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(measures)) {
      const value = await measure();
      // The first round is a warm-up.
      if (round > 0) results.set(name, [...(results.get(name) ?? []), value]);
    }
  }
}
const of = (name: string): number => median(results.get(name) ?? []);
const base: Record<string, string> = {
  'publish, 1000 in flight, 1000 keys': 'PutRecords of 500 by hand, two at once',
  'publish, 1000 in flight, one key, aggregate': 'PutRecords of 500 by hand, two at once',
  'subscribe from the earliest': 'GetRecords in a loop, decoded',
};
console.log(`events per second: median of ${rounds} rounds, lowest to highest`);
for (const [name, values] of results) {
  const range = `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
  const beside = base[name];
  const ratio = beside === undefined ? '' : `  ${(of(name) / of(beside)).toFixed(2)} of "${beside}"`;
  console.log(`${name.padEnd(45)} ${String(Math.round(of(name))).padStart(8)}  (${range})${ratio}`);
}
const single = of('publish, 1000 in flight, 1000 keys') / of('PutRecord, one by one');
console.log(`publish, 1000 in flight, beside PutRecord one by one: ${single.toFixed(1)} times`);
client.destroy();
stub.kill();
