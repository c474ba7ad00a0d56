import type { KinesisClient, PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import type { KinesisConfig } from '../src/index.ts';

interface FakeRecord {
  readonly SequenceNumber: string;
  readonly Data: Uint8Array;
  readonly PartitionKey: string;
  readonly ApproximateArrivalTimestamp: Date;
}

/** A shard, and the part of the keys that it has: from `low` up to and without `high`, between 0 and 1. */
interface FakeShard {
  readonly id: string;
  readonly low: number;
  readonly high: number;
  readonly parents: readonly string[];
  records: readonly FakeRecord[];
  children: string[];
  isClosed: boolean;
}

/** The fields of a call that the tests use. */
export interface FakeInput {
  readonly ShardId: string;
  readonly ShardIteratorType: string;
  readonly StartingSequenceNumber: string;
  readonly Timestamp: Date;
  readonly ShardIterator: string;
  readonly Limit: number;
  readonly NextToken?: string;
  readonly Records: readonly PutRecordsRequestEntry[];
}

/** The result of a call instead of its answer: an error, or another answer. */
export type FakeRule = (operation: string, input: FakeInput) => unknown;

interface FakeCommand {
  readonly input: FakeInput;
  readonly middlewareStack: {
    resolve(last: () => Promise<unknown>, context: object): (args: object) => Promise<{ output: unknown }>;
  };
}

/**
 * Kinesis in memory, in place of a client: for interleavings and faults that a server cannot be made to have on demand. What the API
 * is like is tested on servers.
 */
export class FakeKinesis {
  readonly shards: Map<string, FakeShard> = new Map();
  /** The calls, in order. */
  readonly calls: { readonly operation: string; readonly input: FakeInput }[] = [];
  rule: FakeRule = () => undefined;
  createdAt: Date = new Date(1e12);
  /** The server's clock; undefined if its answers contain no time. */
  date: (() => number) | undefined;
  shardsPerPage = 1000;
  #sequence = 10n ** 20n;

  constructor(shards = 1) {
    for (let i = 0; i < shards; i++) this.#add(`shard-${i}`, i / shards, (i + 1) / shards, []);
  }

  /** In place of a client, in a configuration. */
  get client(): KinesisClient {
    return this as unknown as KinesisClient;
  }

  #add(id: string, low: number, high: number, parents: readonly string[]): void {
    this.shards.set(id, { id, low, high, parents, records: [], children: [], isClosed: false });
    for (const parent of parents) {
      const shard = this.shards.get(parent);
      shard?.children.push(id);
      if (shard !== undefined) shard.isClosed = true;
    }
  }

  split(parent: string, first: string, second: string): void {
    const { low, high } = this.shards.get(parent)!;
    const middle = (low + high) / 2;
    this.#add(first, low, middle, [parent]);
    this.#add(second, middle, high, [parent]);
  }

  merge(first: string, second: string, child: string): void {
    this.#add(child, this.shards.get(first)!.low, this.shards.get(second)!.high, [first, second]);
  }

  put(key: string, data: Uint8Array): { ShardId: string; SequenceNumber: string } {
    const place = placeOf(key);
    const shard = [...this.shards.values()].find(
      ({ low, high, isClosed }) => !isClosed && low <= place && place < high,
    )!;
    const SequenceNumber = String(this.#sequence++);
    const record = { SequenceNumber, Data: data, PartitionKey: key };
    shard.records = [
      ...shard.records,
      { ...record, ApproximateArrivalTimestamp: new Date(this.date?.() ?? Date.now()) },
    ];
    return { ShardId: shard.id, SequenceNumber };
  }

  count(operation: string): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  async send(command: FakeCommand): Promise<unknown> {
    const operation = command.constructor.name.replace(/Command$/, '');
    const { input } = command;
    this.calls.push({ operation, input });
    // Nothing is answered in the turn in which it is asked.
    await new Promise((resolve) => setImmediate(resolve));
    const said = await this.rule(operation, input);
    if (said instanceof Error) throw said;
    const output = said ?? this.#answer(operation, input);
    if (this.date === undefined) return output;
    const response = { headers: { date: new Date(this.date()).toUTCString() } };
    const last = (): Promise<unknown> => Promise.resolve({ response, output });
    return (await command.middlewareStack.resolve(last, {})({ input })).output;
  }

  #answer(operation: string, input: FakeInput): unknown {
    if (operation === 'DescribeStreamSummary') {
      const StreamCreationTimestamp = this.createdAt;
      return { StreamDescriptionSummary: { StreamStatus: 'ACTIVE', StreamCreationTimestamp } };
    }
    if (operation === 'ListShards') return this.#list(input);
    if (operation === 'PutRecords') {
      const put = ({ PartitionKey = '', Data = new Uint8Array() }: PutRecordsRequestEntry): unknown =>
        this.put(PartitionKey, Data);
      return { FailedRecordCount: 0, Records: input.Records.map(put) };
    }
    if (operation === 'GetShardIterator') return this.#iterator(input);
    if (operation === 'GetRecords') return this.#read(input);
    throw new Error(`there is no ${operation} here`);
  }

  #list({ NextToken }: FakeInput): unknown {
    const first = Number(NextToken ?? 0);
    const next = first + this.shardsPerPage;
    const Shards = [...this.shards.values()].slice(first, next).map(({ id, parents, isClosed }) => ({
      ShardId: id,
      ParentShardId: parents[0],
      AdjacentParentShardId: parents[1],
      SequenceNumberRange: { EndingSequenceNumber: isClosed ? '1' : undefined },
    }));
    return { Shards, NextToken: next < this.shards.size ? String(next) : undefined };
  }

  #shard(id: string): FakeShard {
    const shard = this.shards.get(id);
    if (shard === undefined) throw named('ResourceNotFoundException');
    return shard;
  }

  #iterator({ ShardId, ShardIteratorType: type, StartingSequenceNumber, Timestamp }: FakeInput): unknown {
    const { records } = this.#shard(ShardId);
    let at = type === 'LATEST' ? -1 : 0;
    if (type === 'AFTER_SEQUENCE_NUMBER') {
      at = records.findIndex(({ SequenceNumber }) => SequenceNumber > StartingSequenceNumber);
    } else if (type === 'AT_TIMESTAMP') {
      at = records.findIndex((record) => record.ApproximateArrivalTimestamp >= Timestamp);
    }
    return { ShardIterator: `${ShardId} ${at === -1 ? records.length : at}` };
  }

  #read({ ShardIterator, Limit }: FakeInput): unknown {
    const [id = '', at] = ShardIterator.split(' ');
    const { records, isClosed, children } = this.#shard(id);
    const first = Number(at);
    const Records = records.slice(first, first + Limit);
    const next = first + Records.length;
    const MillisBehindLatest = next < records.length ? 1000 : 0;
    if (!isClosed || next < records.length) {
      return { Records, MillisBehindLatest, NextShardIterator: `${id} ${next}` };
    }
    const ChildShards = children.map((ShardId) => ({
      ShardId,
      ParentShards: this.shards.get(ShardId)?.parents,
    }));
    return { Records, MillisBehindLatest, ChildShards };
  }

  destroy(): void {}
}

/** The position of a key between 0 and 1. */
export function placeOf(key: string): number {
  let hash = 0;
  for (const char of key) hash = Math.imul(hash ^ char.charCodeAt(0), 2_654_435_761) >>> 0;
  return hash / 2 ** 32;
}

/** A key between two bounds. */
export function keyWithin(low: number, high: number): string {
  for (let n = 0; ; n++) if (placeOf(`k${n}`) >= low && placeOf(`k${n}`) < high) return `k${n}`;
}

export function named(name: string, message: string = name): Error {
  return Object.assign(new Error(message), { name });
}

/** An engine's configuration over it, which waits for nothing. */
export function overFake(fake: FakeKinesis): KinesisConfig {
  return {
    client: fake.client,
    streamName: 'fake',
    pollInterval: 20,
    readsPerSecond: 100,
    checkpointIntervalMs: 20,
    leaseDurationMs: 2000,
  };
}
