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
import { onAbort, settlesWithin } from '@polybus/core/engine-kit';
import type { Cursor } from './read/cursor.ts';
import { connectionError } from './errors.ts';
import { Group } from './group/group.ts';
import { KinesisApi } from './client/kinesis-api.ts';
import { type OpenStore, openStore } from './client/open-store.ts';
import { recordByName } from './group/record-by-name.ts';
import type { KinesisOptions } from './options/config.ts';
import { isShared } from './options/options.ts';
import { InterruptibleSleep } from './client/interruptible-sleep.ts';
import { PlainSubscription } from './read/plain-subscription.ts';
import { Publisher } from './publish/publisher.ts';
import { ShardReaders } from './read/shard-readers.ts';
import { type ReplacedStream, StreamIdentity, missedIn } from './client/stream-identity.ts';
import { openStream } from './client/stream.ts';

/** What opening the transport has made. */
interface Parts {
  readonly api: KinesisApi;
  readonly identity: StreamIdentity;
  readonly publisher: Publisher;
  readonly readers: ShardReaders;
  /** Undefined if none is configured. */
  readonly store: OpenStore | undefined;
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
  readonly #parts: Parts;
  #isClosed = false;
  #hasWarned = false;

  private constructor(options: KinesisOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    parts.identity.onReplaced = (replaced) => this.#follow(replaced);
  }

  /**
   * @throws {@link KinesisConnectionError} if the stream or the checkpoint store cannot be reached or created.
   * @throws {@link MissingPackageError} if the package of the checkpoint store's client is not installed.
   */
  static async open(options: KinesisOptions, context: TransportContext): Promise<KinesisTransport> {
    const { name, logger, source, signal } = context;
    const { publishTimeoutMs, aggregate, streamName } = options;
    const store = await openStore(options, logger, signal);
    const api = new KinesisApi(options);
    const opening = new InterruptibleSleep();
    const unlink = onAbort(signal, () => {
      opening.wake();
      api.close();
    });
    try {
      const stream = await openStream(api, options, logger, opening, () => signal.aborted);
      signal.throwIfAborted();
      const identity = new StreamIdentity(api, streamName, stream.id, logger);
      api.onDoubt = () => identity.check();
      const readers = new ShardReaders(api, options, context);
      const publisher = new Publisher(api, {
        source,
        engine: name,
        timeoutMs: publishTimeoutMs,
        maxRecordBytes: stream.maxRecordBytes,
        aggregate,
        onPublished: (shardId) => readers.pollNow(shardId),
      });
      return new KinesisTransport(options, {
        api,
        identity,
        publisher,
        readers,
        store,
        logger,
      });
    } catch (error) {
      api.close();
      store?.close();
      throw connectionError(error, streamName, name);
    } finally {
      unlink();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const { api, publisher, readers, store } = this.#parts;
    for (const subscription of this.#plain) await subscription.stop();
    this.#plain.clear();
    for (const group of this.#groups.values()) this.#end(group);
    await settlesWithin(Promise.all(this.#ending.values()), releaseTimeoutMs);
    await publisher.close();
    api.close();
    await readers.stop();
    store?.close();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    return this.#parts.publisher.send(event, signal);
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    this.#assertOpen(request);
    const { readers } = this.#parts;
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

  /** Goes on with another stream of the same name, from its first records. */
  #follow(replaced: ReplacedStream): void {
    for (const subscription of this.#plain) {
      this.#parts.readers.missed(missedIn(subscription.request.pattern, replaced));
      void subscription.startOver();
    }
    for (const group of this.#groups.values()) group.follow(replaced.createdAt);
  }

  #assertOpen({ pattern: topic }: ListenRequest): void {
    if (this.#isClosed) throw new EventBusNotStartedError('subscribe', 'stopping', { topic });
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
      this.#assertOpen(request);
      const { identity, readers } = this.#parts;
      // Core admits no group without a store, because the engine then lacks the capability.
      const { store } = this.#parts.store!;
      group = new Group(name, identity.stream, readers, store, (ended) => this.#end(ended));
      this.#groups.set(name, group);
    }
    return group.join(request, receiver);
  }

  #warn(group: string): void {
    if (isShared(this.#options.store) || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#parts.logger.warn(
      'a group keeps its checkpoints in memory: other processes do not share its events, and a restarted process loses the checkpoints. ' +
        'Set the option checkpointStore to a store that processes share',
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
    await this.#parts.readers.api.ping(Math.min(this.#options.requestTimeoutMs, 1000));
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
    const trouble = [...this.#groups.values()].flatMap((group) => group.trouble ?? []);
    const away = [...this.#groups.values()].flatMap((group) => group.away ?? []);
    const groups = [...this.#groups.values()].map(({ name, leases }): [string, string[]] => [
      name,
      [...new Set([...leases].map(({ shardId }) => shardId))],
    ]);
    const details = { streamName, leases: recordByName(groups) };
    const error = [...trouble, ...away].join('; ');
    if (error === '') return { details };
    return { status: trouble.length > 0 ? 'down' : 'degraded', error, details };
  }
}
