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
import type { Comparison, Sample } from './harness/compare.ts';
import { user as payload } from './harness/payloads.ts';
import { runBenchmark } from './harness/report.ts';

/**
 * Compares the Kinesis engine with the SDK used by hand, which does the same work in the same run: it creates events, encodes them as
 * CloudEvents, sends, receives, and decodes them. Both call a stub on loopback that returns fixed answers, because a local Kinesis gets
 * slower with each record that it stores.
 */
const StreamName = 'bench';
const source = 'bench';
const topic = 'bench.events';
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

type Measures = Readonly<Record<string, Sample>>;

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
  'PutRecord of the SDK, one by one': () =>
    perSecond(oneByOne, async () => {
      for (let n = 0; n < oneByOne; n++) {
        const key = `key-${n}`;
        await client.send(new PutRecordCommand({ StreamName, PartitionKey: key, Data: encode(key) }));
      }
    }),
  'PutRecords of the SDK, 500 at once': () =>
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
  polybus: () =>
    withEngine({}, (publish) =>
      perSecond(events, () => publishAll((n) => publish(`key-${n % inFlight}`), events)),
    ),
  'polybus, one key, aggregated': () =>
    withEngine({ aggregate: true }, (publish) =>
      perSecond(events, () => publishAll(() => publish('one'), events)),
    ),
};

const reading: Measures = {
  'GetRecords of the SDK, in a loop': () =>
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
  polybus: async () => {
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

try {
  // Before Node 24, the first handler makes every promise of the process slower (AsyncLocalStorage), so publishing is measured first,
  // and once more after handlers have run.
  const publish = (title: string): Comparison => ({
    title: `Publish, ${inFlight} in flight, ${inFlight} keys${title}`,
    unit: 'events/s',
    contenders: publishing,
    targets: [{ peer: 'PutRecords of the SDK, 500 at once', ratio: 0.95 }],
  });
  await runBenchmark(
    'kinesis',
    ['@aws-sdk/client-kinesis'],
    [
      publish(''),
      {
        title: 'Consume',
        unit: 'events/s',
        contenders: reading,
        targets: [{ peer: 'GetRecords of the SDK, in a loop', ratio: 0.95 }],
      },
      publish(', in a process that has run handlers'),
    ],
  );
} finally {
  client.destroy();
  stub.kill();
}
