import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  type GetRecordsCommandOutput,
  GetShardIteratorCommand,
  type GetShardIteratorCommandInput,
  KinesisClient,
  ListShardsCommand,
  type ListShardsCommandInput,
  type ListShardsCommandOutput,
  PutRecordsCommand,
  type PutRecordsCommandOutput,
  type PutRecordsRequestEntry,
  type StreamDescriptionSummary,
} from '@aws-sdk/client-kinesis';
import { orAborted } from '@polybus/core/engine-kit';
import { hideRequest, nameOf } from '../errors.ts';
import type { KinesisOptions } from '../options/config.ts';
import { awsClientSettings } from './aws-client.ts';
import { InterruptibleSleep } from './interruptible-sleep.ts';
import { type ShardInfo, shardInfo } from './shard.ts';

/** Where reading a shard begins. */
export type IteratorStart = Pick<
  GetShardIteratorCommandInput,
  'ShardIteratorType' | 'StartingSequenceNumber' | 'Timestamp'
>;

/** An iterator, and when the server made it: by the `Date` of its answer, or by our clock if the answer has none. */
export interface DatedIterator {
  readonly iterator: string;
  readonly serverTime: number;
}

/** A server's answers to a call for a stream, a shard or a record that it does not have. */
const notFound = new Set(['ResourceNotFoundException', 'InvalidArgumentException']);

/** The calls to Kinesis. Each has a timeout, and `close` ends all of them. */
export class KinesisApi {
  readonly #client: KinesisClient;
  readonly #isOwn: boolean;
  readonly #streamName: string;
  readonly #timeoutMs: number;
  readonly #running = new Set<AbortController>();
  readonly #sleeping = new Set<InterruptibleSleep>();
  #isClosed = false;
  /** The first sequence number and the last hash key of each shard that was listed. */
  readonly #starts = new Map<string, string>();
  /** Called for each answer that may mean that the stream is gone or another. */
  onDoubt: () => void = () => {};

  constructor(options: KinesisOptions) {
    this.#isOwn = options.connection.client === undefined;
    this.#client = options.connection.client ?? makeClient(options);
    this.#streamName = options.streamName;
    this.#timeoutMs = options.requestTimeoutMs;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Ends the calls in progress; they reject. */
  close(): void {
    this.#isClosed = true;
    for (const sleep of this.#sleeping) sleep.wake();
    for (const controller of this.#running) controller.abort(new Error('the engine is stopped'));
    if (this.#isOwn) this.#client.destroy();
  }

  /** Resolves after the time, or when the API is closed. */
  async sleep(ms: number): Promise<void> {
    if (this.#isClosed) return;
    const sleep = new InterruptibleSleep();
    this.#sleeping.add(sleep);
    await sleep.sleep(ms);
    this.#sleeping.delete(sleep);
  }

  async #withTimeout<T>(
    call: (abortSignal: AbortSignal) => Promise<T>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    if (this.#isClosed) throw new Error('the engine is stopped');
    const controller = new AbortController();
    this.#running.add(controller);
    const timer = setTimeout(() => controller.abort(), timeoutMs);
    // The client checks the signal once it sends, and not while it waits for credentials.
    const attempt = (): Promise<T> => orAborted(call(controller.signal), controller.signal);
    try {
      try {
        return await attempt();
      } catch (error) {
        // Our clock is wrong. The client has learned the difference, and signs the next request with the right time.
        if (!isClockCorrected(error)) throw error;
        return await attempt();
      }
    } catch (error) {
      if (controller.signal.aborted && !this.#isClosed) throw timeoutError(timeoutMs);
      if (notFound.has(nameOf(error))) this.onDoubt();
      throw hideRequest(error);
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Undefined if there is no such stream. */
  async describe(): Promise<StreamDescriptionSummary | undefined> {
    const command = new DescribeStreamSummaryCommand({ StreamName: this.#streamName });
    try {
      const summary = await this.#withTimeout((abortSignal) => this.#client.send(command, { abortSignal }));
      return summary.StreamDescriptionSummary;
    } catch (error) {
      if (nameOf(error) === 'ResourceNotFoundException') return undefined;
      throw error;
    }
  }

  async createStream(shardCount: number | undefined): Promise<void> {
    const command = new CreateStreamCommand({
      StreamName: this.#streamName,
      StreamModeDetails: { StreamMode: shardCount === undefined ? 'ON_DEMAND' : 'PROVISIONED' },
      ...(shardCount === undefined ? {} : { ShardCount: shardCount }),
    });
    await this.#withTimeout((abortSignal) => this.#client.send(command, { abortSignal }));
  }

  /** All shards, closed shards included as long as their records are kept. */
  async listShards(): Promise<ShardInfo[]> {
    const shards: ShardInfo[] = [];
    let token: string | undefined;
    do {
      // With a token, the name must be absent: "ListShards", NextToken.
      const input = token === undefined ? { StreamName: this.#streamName } : { NextToken: token };
      const page = await this.#list(input);
      for (const shard of page.Shards ?? []) shards.push(shardInfo(shard));
      token = page.NextToken;
    } while (token !== undefined);
    return shards;
  }

  async ping(timeoutMs: number): Promise<void> {
    // ListShards is limited to 1000 calls per second and stream, and DescribeStreamSummary to 20 per second and account.
    await this.#list({ StreamName: this.#streamName, MaxResults: 1 }, timeoutMs);
  }

  async #list(input: ListShardsCommandInput, timeoutMs?: number): Promise<ListShardsCommandOutput> {
    const command = new ListShardsCommand(input);
    const page = await this.#withTimeout(
      (abortSignal) => this.#client.send(command, { abortSignal }),
      timeoutMs,
    );
    for (const { ShardId = '', SequenceNumberRange, HashKeyRange } of page.Shards ?? []) {
      if (SequenceNumberRange?.StartingSequenceNumber === undefined) continue;
      // Sequence numbers contain the time in seconds, so the keys help to distinguish streams that were created within a second.
      const start = `${SequenceNumberRange.StartingSequenceNumber} ${HashKeyRange?.EndingHashKey}`;
      // They differ only if the stream is another.
      if ((this.#starts.get(ShardId) ?? start) !== start) this.onDoubt();
      this.#starts.set(ShardId, start);
    }
    return page;
  }

  async iterator(shardId: string, start: IteratorStart): Promise<DatedIterator> {
    const command = new GetShardIteratorCommand({
      StreamName: this.#streamName,
      ShardId: shardId,
      ...start,
    });
    let serverTime: number | undefined;
    command.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        serverTime = dateOf(result.response);
        return result;
      },
      { step: 'deserialize', priority: 'low' },
    );
    const answer = await this.#withTimeout((abortSignal) => this.#client.send(command, { abortSignal }));
    return { iterator: answer.ShardIterator ?? '', serverTime: serverTime ?? Date.now() };
  }

  getRecords(iterator: string, limit: number): Promise<GetRecordsCommandOutput> {
    const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: limit });
    return this.#withTimeout((abortSignal) => this.#client.send(command, { abortSignal }));
  }

  putRecords(records: PutRecordsRequestEntry[]): Promise<PutRecordsCommandOutput> {
    const command = new PutRecordsCommand({ StreamName: this.#streamName, Records: records });
    return this.#withTimeout((abortSignal) => this.#client.send(command, { abortSignal }));
  }
}

function makeClient({ connection, requestTimeoutMs }: KinesisOptions): KinesisClient {
  const client = new KinesisClient({
    ...awsClientSettings(connection, requestTimeoutMs),
    // The engine retries: it knows which records of a batch failed, and how long they may take.
    maxAttempts: 1,
  });
  // It copies every record for the SDK's logger, which is not set: a tenth of the cost of a request.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}

function dateOf(response: unknown): number | undefined {
  const { headers } = (response ?? {}) as { headers?: Readonly<Record<string, string | undefined>> };
  const time = Date.parse(headers?.['date'] ?? '');
  return Number.isNaN(time) ? undefined : time;
}

function isClockCorrected(error: unknown): boolean {
  const { $metadata } = (error ?? {}) as { $metadata?: { clockSkewCorrected?: boolean } };
  return $metadata?.clockSkewCorrected === true;
}

function timeoutError(timeoutMs: number): Error {
  return Object.assign(new Error(`no answer in ${timeoutMs} ms`), { name: 'TimeoutError' });
}
