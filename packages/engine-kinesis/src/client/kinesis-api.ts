import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  type GetRecordsCommandOutput,
  GetShardIteratorCommand,
  type GetShardIteratorCommandInput,
  KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
  type PutRecordsCommandOutput,
  type PutRecordsRequestEntry,
  type Shard,
  type StreamDescriptionSummary,
} from '@aws-sdk/client-kinesis';
import { orAborted } from '@polybus/core/engine-kit';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { hideRequest, nameOf } from '../errors.ts';
import type { KinesisOptions } from '../options/options.ts';
import { Pause } from '../pause.ts';

/** Where to begin reading a shard. */
export type IteratorStart = Pick<
  GetShardIteratorCommandInput,
  'ShardIteratorType' | 'StartingSequenceNumber' | 'Timestamp'
>;

/** An iterator, and the server's time when it was made, where the server told it. */
export interface PinnedIterator {
  readonly iterator: string;
  readonly serverTime: number;
}

/** What a server says to a call for a stream, a shard or a record that it does not have. */
const doubtful = new Set(['ResourceNotFoundException', 'InvalidArgumentException']);

/** The calls to Kinesis, each bounded in time, and all of them ended by `close`. */
export class KinesisApi {
  readonly #client: KinesisClient;
  readonly #isOwn: boolean;
  readonly #streamName: string;
  readonly #timeoutMs: number;
  readonly #running = new Set<AbortController>();
  readonly #resting = new Set<Pause>();
  #isClosed = false;
  /** Told of each answer that may mean that the stream is gone, or another. */
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

  /** Ends the calls that are under way; they reject. */
  close(): void {
    this.#isClosed = true;
    for (const pause of this.#resting) pause.wake();
    for (const controller of this.#running) controller.abort(new Error('the engine is stopped'));
    if (this.#isOwn) this.#client.destroy();
  }

  /** Resolves after the time, or when it is closed. */
  async rest(ms: number): Promise<void> {
    if (this.#isClosed) return;
    const pause = new Pause();
    this.#resting.add(pause);
    await pause.wait(ms);
    this.#resting.delete(pause);
  }

  async #bounded<T>(call: (abortSignal: AbortSignal) => Promise<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    if (this.#isClosed) throw new Error('the engine is stopped');
    const controller = new AbortController();
    this.#running.add(controller);
    const timer = setTimeout(() => controller.abort(), timeoutMs);
    // The client looks at the signal once it sends: not while it waits for credentials.
    const made = (): Promise<T> => orAborted(call(controller.signal), controller.signal);
    try {
      try {
        return await made();
      } catch (error) {
        // Our clock is wrong, and by now the client knows by how much: it signs the next request with the right time.
        if (!isClockCorrected(error)) throw error;
        return await made();
      }
    } catch (error) {
      if (controller.signal.aborted && !this.#isClosed) throw timeoutError(timeoutMs);
      if (doubtful.has(nameOf(error))) this.onDoubt();
      throw hideRequest(error);
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Undefined where there is no such stream. */
  async describe(): Promise<StreamDescriptionSummary | undefined> {
    const command = new DescribeStreamSummaryCommand({ StreamName: this.#streamName });
    try {
      const summary = await this.#bounded((abortSignal) => this.#client.send(command, { abortSignal }));
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
    await this.#bounded((abortSignal) => this.#client.send(command, { abortSignal }));
  }

  /** All shards, page by page: the closed ones too, for as long as their records are kept. */
  async listShards(): Promise<Shard[]> {
    const shards: Shard[] = [];
    let token: string | undefined;
    do {
      // With a token the name must not be given: "ListShards", NextToken.
      const input = token === undefined ? { StreamName: this.#streamName } : { NextToken: token };
      const command = new ListShardsCommand(input);
      const page = await this.#bounded((abortSignal) => this.#client.send(command, { abortSignal }));
      for (const shard of page.Shards ?? []) shards.push(shard);
      token = page.NextToken;
    } while (token !== undefined);
    return shards;
  }

  async ping(timeoutMs: number): Promise<void> {
    // A stream may be asked for its shards 1000 times per second, and an account for its streams' summaries only 20 times.
    const command = new ListShardsCommand({ StreamName: this.#streamName, MaxResults: 1 });
    await this.#bounded((abortSignal) => this.#client.send(command, { abortSignal }), timeoutMs);
  }

  async iterator(shardId: string, start: IteratorStart): Promise<PinnedIterator> {
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
    const answer = await this.#bounded((abortSignal) => this.#client.send(command, { abortSignal }));
    return { iterator: answer.ShardIterator ?? '', serverTime: serverTime ?? Date.now() };
  }

  getRecords(iterator: string, limit: number): Promise<GetRecordsCommandOutput> {
    const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: limit });
    return this.#bounded((abortSignal) => this.#client.send(command, { abortSignal }));
  }

  putRecords(records: PutRecordsRequestEntry[]): Promise<PutRecordsCommandOutput> {
    const command = new PutRecordsCommand({ StreamName: this.#streamName, Records: records });
    return this.#bounded((abortSignal) => this.#client.send(command, { abortSignal }));
  }
}

function makeClient({ connection, requestTimeoutMs }: KinesisOptions): KinesisClient {
  const { endpoint, region, credentials } = connection;
  const found = process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'];
  // A server of one's own does not look at the region, but the SDK wants one.
  const chosen = region ?? (endpoint === undefined || found !== undefined ? undefined : 'us-east-1');
  const client = new KinesisClient({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(chosen === undefined ? {} : { region: chosen }),
    ...(credentials === undefined ? {} : { credentials }),
    // The engine tries again itself: it knows which records of a batch failed, and how long they may take.
    maxAttempts: 1,
    // HTTP/1.1: the SDK's HTTP/2 default fails at random against the local servers, and puts every call on one connection, so
    // that one which is half open holds up all of them.
    requestHandler: new NodeHttpHandler({ connectionTimeout: requestTimeoutMs }),
  });
  // It makes a copy of every record for the SDK's logger, which is not there: a tenth of what a request costs.
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
