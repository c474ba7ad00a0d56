import {
  type ConsumerLag,
  type EngineHealth,
  type Event,
  EventBusNotStartedError,
  type Logger,
} from '@polybus/core';
import type {
  ListenRequest,
  Listener,
  ReadProgress,
  Receiver,
  Transport,
  TransportContext,
} from '@polybus/core/engine';
import { settlesWithin } from '@polybus/core/engine-kit';
import type { Cursor } from './read/cursor.ts';
import { connectionError } from './errors.ts';
import { Group } from './group/group.ts';
import { KinesisApi } from './client/kinesis-api.ts';
import { recordByName } from './group/record-by-name.ts';
import type { KinesisOptions } from './options/config.ts';
import { InterruptibleSleep } from './client/interruptible-sleep.ts';
import { PlainSubscription } from './read/plain-subscription.ts';
import { Publisher } from './publish/publisher.ts';
import { ShardReaders } from './read/shard-readers.ts';
import { StreamIdentity } from './client/stream-identity.ts';
import { openStream } from './client/stream.ts';

interface Opened {
  readonly identity: StreamIdentity;
  readonly streamCreatedAt: string;
  readonly publisher: Publisher;
  readonly readers: ShardReaders;
  readonly logger: Logger;
}

/** How long closing waits for groups to give up their leases, in milliseconds. */
const releaseTimeoutMs = 2000;

/** Kinesis: one stream for all topics. */
export class KinesisTransport implements Transport {
  readonly #options: KinesisOptions;
  readonly #plain = new Set<PlainSubscription>();
  readonly #groups = new Map<string, Group>();
  /** Groups whose last member has left, and that are giving up their leases. */
  readonly #ending = new Map<string, Promise<void>>();
  #api: KinesisApi | undefined;
  #opening: InterruptibleSleep | undefined;
  #opened: Opened | undefined;
  #hasWarned = false;

  constructor(options: KinesisOptions) {
    this.#options = options;
  }

  async open({ name, logger, source }: TransportContext): Promise<void> {
    const { publishTimeoutMs, aggregate, streamName } = this.#options;
    const api = new KinesisApi(this.#options);
    const opening = new InterruptibleSleep();
    this.#api = api;
    this.#opening = opening;
    try {
      const isStopped = (): boolean => this.#api !== api;
      const stream = await openStream(api, this.#options, logger, opening, isStopped);
      if (isStopped()) throw new Error('the engine was stopped while it started');
      const identity = new StreamIdentity(api, streamName, stream.createdAt, logger);
      api.onNotFound = () => identity.check();
      const readers = new ShardReaders(api, this.#options, logger);
      const publisher = new Publisher(api, {
        source,
        engine: name,
        timeoutMs: publishTimeoutMs,
        maxRecordBytes: stream.maxRecordBytes,
        aggregate,
        onPublished: (shardId) => readers.pollNow(shardId),
      });
      this.#opened = { identity, streamCreatedAt: stream.createdAt, publisher, readers, logger };
    } catch (error) {
      throw connectionError(error, streamName, name);
    }
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    const api = this.#api;
    this.#opened = this.#api = undefined;
    this.#opening?.wake();
    for (const subscription of this.#plain) await subscription.stop();
    this.#plain.clear();
    for (const group of this.#groups.values()) this.#end(group);
    await settlesWithin(Promise.all(this.#ending.values()), releaseTimeoutMs);
    await opened?.publisher.close();
    api?.close();
    await opened?.readers.stop();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    return this.#opened!.publisher.send(event, signal);
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { readers } = this.#open(request);
    if (request.group !== undefined) return this.#join(request, request.group, receiver);
    const subscription = new PlainSubscription(request, receiver, readers);
    this.#plain.add(subscription);
    const stop = async (): Promise<void> => {
      this.#plain.delete(subscription);
      await subscription.stop();
    };
    try {
      await subscription.start();
    } catch (error) {
      await stop();
      throw error;
    }
    return { stop };
  }

  #open({ pattern: topic }: ListenRequest): Opened {
    if (this.#opened === undefined) throw new EventBusNotStartedError('subscribe', 'stopping', { topic });
    return this.#opened;
  }

  async #join(request: ListenRequest, name: string, receiver: Receiver): Promise<Listener> {
    this.#warn(name);
    // If the group is giving up its leases, the new one starts afterwards, from its checkpoints.
    for (let ending = this.#ending.get(name); ending !== undefined; ending = this.#ending.get(name)) {
      await ending;
    }
    let group = this.#groups.get(name);
    if (group === undefined) {
      // The transport may have been closed meanwhile.
      const { streamCreatedAt, readers } = this.#open(request);
      group = new Group(name, streamCreatedAt, readers, (ended) => this.#end(ended));
      this.#groups.set(name, group);
    }
    return group.join(request, receiver);
  }

  #warn(group: string): void {
    if (this.#options.store.isShared || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#opened!.logger.warn(
      'a group keeps its checkpoints in memory: other processes do not share its events, and a restarted process loses the checkpoints. ' +
        'Set the option checkpointStore',
      { group },
    );
  }

  #end(group: Group): void {
    if (this.#groups.get(group.name) !== group) return;
    this.#groups.delete(group.name);
    const ending = group.end().finally(() => {
      if (this.#ending.get(group.name) === ending) this.#ending.delete(group.name);
    });
    this.#ending.set(group.name, ending);
  }

  async ping(): Promise<void> {
    await this.#opened!.readers.api.ping(Math.min(this.#options.requestTimeoutMs, 1000));
  }

  *progress(): Iterable<ReadProgress> {
    const { streamName } = this.#options;
    for (const { request, cursors } of this.#plain) {
      for (const [shardId, { moves, behind }] of cursors) {
        yield {
          source: `shard ${shardId} of "${streamName}" for "${request.pattern}"`,
          position: moves,
          behind,
        };
      }
    }
    for (const group of this.#groups.values()) {
      for (const { pattern, shardId, cursor, behind } of group.leases) {
        const source = `shard ${shardId} of "${streamName}" for "${pattern}" in the group "${group.name}"`;
        yield { source, position: cursor.moves, behind };
      }
    }
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    const lags: ConsumerLag[] = [];
    const add = (topic: string, partition: string, { lagMs }: Cursor, group?: string): void => {
      if (lagMs !== undefined) lags.push({ topic, partition, ms: lagMs, group });
    };
    for (const { request, cursors } of this.#plain) {
      for (const [shardId, cursor] of cursors) add(request.pattern, shardId, cursor);
    }
    for (const group of this.#groups.values()) {
      for (const { pattern, shardId, cursor } of group.leases) add(pattern, shardId, cursor, group.name);
    }
    return lags;
  }

  describe(): Pick<EngineHealth, 'details'> & Partial<Pick<EngineHealth, 'status' | 'error'>> {
    const { streamName } = this.#options;
    const trouble = [...this.#groups.values()].flatMap((group) => group.trouble ?? []).join('; ');
    const replaced = this.#opened?.identity.trouble;
    const groups = [...this.#groups.values()].map(({ name, leases }): [string, string[]] => [
      name,
      [...new Set([...leases].map(({ shardId }) => shardId))],
    ]);
    const details = { streamName, leases: recordByName(groups) };
    if (trouble !== '') return { status: 'down', error: trouble, details };
    return replaced === undefined ? { details } : { status: 'degraded', error: replaced, details };
  }
}
