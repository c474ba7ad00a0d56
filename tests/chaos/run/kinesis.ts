import {
  DescribeStreamSummaryCommand,
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  type Shard,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { startKinesis, waitFor } from '@polybus/testbed';
import type { ChaosBroker } from './broker.ts';
import { proxied } from './proxied.ts';
import { Proxy } from './proxy.ts';

export async function startKinesisForChaos(): Promise<ChaosBroker> {
  const kinesis = await startKinesis({ controllable: true });
  const proxy = await Proxy.listen();
  const { hostname, port } = new URL(kinesis.endpoint);
  proxy.target = { host: hostname, port: Number(port) };
  const { endpoint, region, credentials } = kinesis;
  return proxied(kinesis, proxy, `http://127.0.0.1:${proxy.port}`, {
    async reshard(stream) {
      const client = new KinesisClient({
        endpoint,
        region,
        credentials,
        // The default, HTTP/2, fails at random with the emulators.
        requestHandler: new NodeHttpHandler(),
      });
      try {
        await split(client, stream);
        await merge(client, stream);
      } finally {
        client.destroy();
      }
    },
  });
}

async function split(client: KinesisClient, StreamName: string): Promise<void> {
  const shard = (await openShards(client, StreamName)).sort((a, b) => Number(sizeOf(b) - sizeOf(a)))[0]!;
  const { StartingHashKey = '', EndingHashKey = '' } = shard.HashKeyRange!;
  const middle = (BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n;
  await client.send(
    new SplitShardCommand({ StreamName, ShardToSplit: shard.ShardId, NewStartingHashKey: String(middle) }),
  );
  await active(client, StreamName);
}

/** Merges the two that are adjacent and smallest, so that the number of shards stays. */
async function merge(client: KinesisClient, StreamName: string): Promise<void> {
  const shards = (await openShards(client, StreamName)).sort((a, b) => (startOf(a) < startOf(b) ? -1 : 1));
  const pairs = shards.slice(1).map((right, i) => ({ left: shards[i]!, right }));
  const [pair] = pairs.sort((a, b) =>
    Number(sizeOf(a.left) + sizeOf(a.right) - sizeOf(b.left) - sizeOf(b.right)),
  );
  if (pair === undefined) return;
  const { left, right } = pair;
  await client.send(
    new MergeShardsCommand({ StreamName, ShardToMerge: left.ShardId, AdjacentShardToMerge: right.ShardId }),
  );
  await active(client, StreamName);
}

async function openShards(client: KinesisClient, StreamName: string): Promise<Shard[]> {
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName }));
  return Shards.filter((shard) => shard.SequenceNumberRange?.EndingSequenceNumber === undefined);
}

async function active(client: KinesisClient, StreamName: string): Promise<void> {
  await waitFor(
    'the stream to be active',
    async () => {
      const { StreamDescriptionSummary } = await client.send(
        new DescribeStreamSummaryCommand({ StreamName }),
      );
      return StreamDescriptionSummary?.StreamStatus === 'ACTIVE';
    },
    { timeoutMs: 30_000 },
  );
}

const startOf = ({ HashKeyRange }: Shard): bigint => BigInt(HashKeyRange?.StartingHashKey ?? 0);
const sizeOf = (shard: Shard): bigint => BigInt(shard.HashKeyRange?.EndingHashKey ?? 0) - startOf(shard);
