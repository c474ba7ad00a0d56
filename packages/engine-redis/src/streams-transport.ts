import type { ConsumerLag, EngineHealth, Event } from '@polybus/core';
import type {
  Delay,
  ListenRequest,
  Listener,
  ReadProgress,
  Receiver,
  Transport,
  TransportContext,
} from '@polybus/core/engine';
import type { Connection } from './client/connection.ts';
import { type Connections, withConnections } from './client/connections.ts';
import { commandError } from './errors.ts';
import { GroupReader } from './group/group-reader.ts';
import { readLag } from './group/lag.ts';
import { type RedisOptions, isCluster } from './options/options.ts';
import { DueMover } from './publish/due-mover.ts';
import { Publisher } from './publish/publisher.ts';
import { Publishers } from './publish/publishers.ts';
import { StreamWire } from './publish/stream-wire.ts';
import { newEngineId } from './read/blocking-reader.ts';
import { BusyPoll } from './read/busy-poll.ts';
import { SharedReader } from './read/shared-reader.ts';
import { StreamKeys } from './store/stream-keys.ts';
import { StreamStore } from './store/stream-store.ts';
import { Trimmer } from './store/trimmer.ts';

/** The parts of an open transport. */
interface Parts {
  readonly connections: Connections;
  readonly publishing: readonly Connection[];
  readonly publishers: Publishers;
  readonly store: StreamStore;
  readonly trimmer: Trimmer;
  readonly mover: DueMover;
  readonly id: string;
  readonly engine: string;
}

/** Mode `streams`: Redis Streams, a stream for each topic. */
export class StreamsTransport implements Transport {
  readonly #options: RedisOptions;
  readonly #parts: Parts;
  #published = 0;
  // Each blocks a connection, so each is created when it is first needed.
  #shared: Promise<SharedReader> | undefined;
  #groups: Promise<GroupReader> | undefined;
  readonly #readers = new Set<SharedReader | GroupReader>();

  private constructor(options: RedisOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  static open(options: RedisOptions, context: TransportContext): Promise<StreamsTransport> {
    const { name, source } = context;
    const { commandTimeoutMs, poolSize } = options;
    return withConnections(options, context, async (connections) => {
      const [reading, ...publishing] = await Promise.all([
        connections.make('streams'),
        ...Array.from({ length: poolSize }, () => connections.make('publisher', 'shared')),
      ]);
      const { keyPrefix, clusterKeyPrefix } = options;
      // Only a client from `createClient` shows whether it is a cluster's.
      const keys = new StreamKeys(isCluster(reading.client) ? clusterKeyPrefix() : keyPrefix);
      const store = new StreamStore(reading, keys, options, context);
      const trimmer = new Trimmer(store);
      const mover = new DueMover(store, (topic) => trimmer.published(topic));
      const wire = new StreamWire(
        keys,
        (topic) => trimmer.published(topic),
        (dueInMs) => mover.moveIn(dueInMs),
      );
      // Before the publishers, which send waiting events as soon as the connection is restored.
      for (const connection of publishing) connection.listen({ onRestored: () => wire.forget() });
      const publisherOptions = { source, engine: name, timeoutMs: commandTimeoutMs };
      const publishers = new Publishers(
        publishing.map((connection) => new Publisher(connection, wire, publisherOptions)),
      );
      const id = newEngineId();
      return new StreamsTransport(options, {
        engine: name,
        connections,
        publishing,
        publishers,
        store,
        trimmer,
        mover,
        id,
      });
    });
  }

  async close(): Promise<void> {
    const { connections, publishers, trimmer, mover } = this.#parts;
    const moverClosed = mover.close();
    const readers = [this.#shared, this.#groups];
    this.#shared = this.#groups = undefined;
    this.#readers.clear();
    connections.closeOpening();
    for (const reader of readers) await (await reader?.catch(() => undefined))?.stop();
    await removeWakeStream(this.#parts);
    await publishers.close();
    connections.closeAll();
    await moverClosed;
    await trimmer.close();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    this.#published++;
    return this.#parts.publishers.send(event, signal);
  }

  sendDelayed(event: Event, delay: Delay, signal?: AbortSignal): Promise<void> {
    return this.#parts.publishers.send(event, signal, delay);
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { engine } = this.#parts;
    try {
      return await this.#listen(request, receiver);
    } catch (error) {
      throw commandError(error, { topic: request.pattern, engine });
    }
  }

  async #listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { connections, store, id } = this.#parts;
    const published = (): number => this.#published;
    if (request.group === undefined) {
      this.#shared ??= connections
        .make('reader', 'blocking')
        .then((connection) =>
          this.#register(new SharedReader(connection, store, id, new BusyPoll(published))),
        );
      this.#shared.catch(() => (this.#shared = undefined));
      return await (await this.#shared).listen(request, receiver);
    }
    this.#groups ??= connections
      .make('group-reader', 'blocking')
      .then((connection) => this.#register(new GroupReader(connection, store, id, new BusyPoll(published))));
    this.#groups.catch(() => (this.#groups = undefined));
    return await (await this.#groups).listen(request, receiver);
  }

  #register<T extends SharedReader | GroupReader>(reader: T): T {
    this.#readers.add(reader);
    return reader;
  }

  *progress(): Iterable<ReadProgress> {
    for (const reader of this.#readers) yield* reader.progress();
  }

  async ping(): Promise<void> {
    const { connections, publishing, store } = this.#parts;
    connections.assertReady();
    const timeoutMs = Math.min(this.#options.commandTimeoutMs, 1000);
    await Promise.all([...publishing, store.connection].map((connection) => connection.probe(timeoutMs)));
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    const { store, engine, mover } = this.#parts;
    const delayed = mover.waiting === 0 ? [] : [{ topic: '_delayed', events: mover.waiting }];
    const groups = (await this.#groups?.catch(() => undefined))?.groups ?? [];
    const lags = groups.map(([topic, of]) =>
      readLag(store, topic, of).catch((error: unknown) => {
        throw commandError(error, { topic, engine });
      }),
    );
    return [...(await Promise.all(lags)).flat(), ...delayed];
  }

  describe(): Pick<EngineHealth, 'details'> {
    const { mode } = this.#options;
    const { connections, trimmer, mover } = this.#parts;
    const { states } = connections;
    return {
      details: { mode, connections: states, heldStreams: [...trimmer.held], delayed: mover.waiting },
    };
  }
}

async function removeWakeStream({ store, id }: Parts): Promise<void> {
  if (!store.connection.isReady) return;
  // If this fails, the stream expires by itself.
  await store.connection.runWithin(500, (client) => client.del(store.keys.wakePrefix + id)).catch(() => {});
}
