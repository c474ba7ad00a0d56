import {
  DescribeStreamSummaryCommand,
  type KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  type Shard,
  SplitShardCommand,
  UpdateShardCountCommand,
} from '@aws-sdk/client-kinesis';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { addressOf, plainClient, quick } from './foreign.ts';
import { Flow, Seen, newStream, patient, startEngine, storesById, until } from '../support.ts';

/** A stream whose shards change. */
class Stream {
  readonly #client: KinesisClient;
  readonly name: string;

  constructor(client: KinesisClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  async open(): Promise<Shard[]> {
    const { Shards = [] } = await this.#client.send(new ListShardsCommand({ StreamName: this.name }));
    return Shards.filter(
      ({ SequenceNumberRange }) => SequenceNumberRange?.EndingSequenceNumber === undefined,
    );
  }

  async #active(): Promise<void> {
    const command = new DescribeStreamSummaryCommand({ StreamName: this.name });
    await until('the stream to be active', async () => {
      return (await this.#client.send(command)).StreamDescriptionSummary?.StreamStatus === 'ACTIVE';
    });
  }

  async split(): Promise<void> {
    const [shard] = await this.open();
    const { StartingHashKey = '', EndingHashKey = '' } = shard?.HashKeyRange ?? {};
    const middle = (BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n;
    const about = { StreamName: this.name, ShardToSplit: shard?.ShardId, NewStartingHashKey: String(middle) };
    await this.#client.send(new SplitShardCommand(about));
    await this.#active();
  }

  async merge(): Promise<void> {
    const open = await this.open();
    open.sort((a, b) =>
      BigInt(a.HashKeyRange!.StartingHashKey!) < BigInt(b.HashKeyRange!.StartingHashKey!) ? -1 : 1,
    );
    const about = { ShardToMerge: open[0]?.ShardId, AdjacentShardToMerge: open[1]?.ShardId };
    await this.#client.send(new MergeShardsCommand({ StreamName: this.name, ...about }));
    await this.#active();
  }

  async scale(count: number): Promise<void> {
    const about = { TargetShardCount: count, ScalingType: 'UNIFORM_SCALING' } as const;
    await this.#client.send(new UpdateShardCountCommand({ StreamName: this.name, ...about }));
    await this.#active();
  }
}

describeWithBroker('kinesis', 'resharding while events are published', (kinesis) => {
  const client = plainClient(kinesis);

  test.each([
    ['split', 1, (stream: Stream) => stream.split()],
    ['merge', 2, (stream: Stream) => stream.merge()],
    ['update-shard-count', 2, (stream: Stream) => stream.scale(4)],
    [
      'split, merge and split again',
      1,
      async (stream: Stream) => {
        await stream.split();
        await stream.merge();
        await stream.split();
      },
    ],
  ] as const)(
    '%s loses no event and keeps the order of each key, in a group of two and without a group',
    patient,
    async (_, shardCount, change) => {
      const stream = new Stream(client, newStream());
      const config = {
        ...addressOf(kinesis),
        ...quick,
        shardCount,
        streamName: stream.name,
        checkpointStore: storesById(stream.name),
      };
      const [engine, other] = [await startEngine(config), await startEngine(config)];
      const [grouped, plain] = [new Seen(), new Seen()];
      const options = { bufferSize: 10_000, group: 'g' };
      await engine.subscribeAsync<number>('load', grouped.handler, options);
      await other.subscribeAsync<number>('lo*', grouped.handler, options);
      await other.subscribe<number>('load', plain.handler, { bufferSize: 10_000 });
      const before = (await stream.open()).map(({ ShardId }) => ShardId);
      const flow = new Flow(engine, 'load');
      await flow.reaches(40);
      await change(stream);
      await flow.reaches(40);
      await flow.end();
      const late = new Seen();
      await engine.subscribe<number>('load', late.handler, { bufferSize: 10_000, from: 'earliest' });
      for (const seen of [grouped, plain, late]) {
        await until('every accepted event', () => seen.hasAll(flow.accepted));
        expect(seen.disorder).toEqual([]);
        // No member died, so no event is delivered twice.
        expect(new Set(seen.numbers).size).toBe(seen.numbers.length);
      }
      const after = (await stream.open()).map(({ ShardId }) => ShardId);
      expect(after.some((shard) => !before.includes(shard))).toBe(true);
    },
  );
});
