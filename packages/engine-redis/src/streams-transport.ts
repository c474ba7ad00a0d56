import type { ConsumerLag, EngineHealth, Event } from '@polybus/core';
import type {
  ListenRequest,
  Listener,
  ReadProgress,
  Receiver,
  Transport,
  TransportContext,
} from '@polybus/core/engine';
import { newEngineId } from './read/blocking-reader.ts';
import { BusyPoll } from './read/busy-poll.ts';
import type { Connection } from './client/connection.ts';
import { type Connections, withConnections } from './client/connections.ts';
import { GroupWatcher } from './group/watcher.ts';
import { commandError } from './errors.ts';
import { type RedisOptions, isCluster } from './options/options.ts';
import { Publisher } from './publish/publisher.ts';
import { Publishers } from './publish/publishers.ts';
import { StreamHub } from './read/stream-hub.ts';
import { StreamKeys } from './store/stream-keys.ts';
import { StreamStore } from './store/stream-store.ts';
import { StreamWire } from './store/stream-wire.ts';
import { Trimmer } from './store/trimmer.ts';

/** What opening the transport has made. */
interface Parts {
  readonly connections: Connections;
  readonly publishing: readonly Connection[];
  readonly publishers: Publishers;
  readonly store: StreamStore;
  readonly trimmer: Trimmer;
  readonly id: string;
  readonly engine: string;
}

/** Redis Streams: a stream per topic. */
export class StreamsTransport implements Transport {
  readonly #options: RedisOptions;
  readonly #parts: Parts;
  #published = 0;
  // Each has a connection that it blocks, so each is made when it is needed first.
  #hub: Promise<StreamHub> | undefined;
  #groups: Promise<GroupWatcher> | undefined;
  readonly #reading = new Set<StreamHub | GroupWatcher>();

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
      // Only the client that `createClient` has made says what it is.
      const keys = new StreamKeys(isCluster(reading.client) ? clusterKeyPrefix() : keyPrefix);
      const store = new StreamStore(reading, keys, options, context);
      const trimmer = new Trimmer(store);
      const wire = new StreamWire(keys, (topic) => trimmer.published(topic));
      // Before the publishers, which send what has waited as soon as they are told.
      for (const one of publishing) one.listen({ onRestored: () => wire.forget() });
      const publisherOptions = { source, engine: name, timeoutMs: commandTimeoutMs };
      const publishers = new Publishers(publishing.map((one) => new Publisher(one, wire, publisherOptions)));
      const id = newEngineId();
      return new StreamsTransport(options, {
        engine: name,
        connections,
        publishing,
        publishers,
        store,
        trimmer,
        id,
      });
    });
  }

  async close(): Promise<void> {
    const { connections, publishers, trimmer } = this.#parts;
    const readers = [this.#hub, this.#groups];
    this.#hub = this.#groups = undefined;
    this.#reading.clear();
    connections.closeOpening();
    for (const reader of readers) await (await reader?.catch(() => undefined))?.stop();
    await removeBell(this.#parts);
    await publishers.close();
    connections.closeAll();
    await trimmer.close();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    this.#published++;
    return this.#parts.publishers.send(event, signal);
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
      this.#hub ??= connections
        .make('reader', 'blocking')
        .then((one) => this.#reads(new StreamHub(one, store, id, new BusyPoll(published))));
      this.#hub.catch(() => (this.#hub = undefined));
      return await (await this.#hub).listen(request, receiver);
    }
    this.#groups ??= connections
      .make('group-reader', 'blocking')
      .then((one) => this.#reads(new GroupWatcher(one, store, id, new BusyPoll(published))));
    this.#groups.catch(() => (this.#groups = undefined));
    return await (await this.#groups).listen(request, receiver);
  }

  #reads<T extends StreamHub | GroupWatcher>(reader: T): T {
    this.#reading.add(reader);
    return reader;
  }

  *progress(): Iterable<ReadProgress> {
    for (const reader of this.#reading) yield* reader.progress();
  }

  async ping(): Promise<void> {
    const { connections, publishing, store } = this.#parts;
    connections.assertReady();
    const timeoutMs = Math.min(this.#options.commandTimeoutMs, 1000);
    await Promise.all(
      [...publishing, store.connection].map((one) => one.run((client) => client.ping(), timeoutMs)),
    );
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    const { store, engine } = this.#parts;
    const groups = (await this.#groups?.catch(() => undefined))?.groups ?? [];
    const lags = groups.map(([topic, of]) =>
      store.lag(topic, of).catch((error: unknown) => {
        throw commandError(error, { topic, engine });
      }),
    );
    return (await Promise.all(lags)).flat();
  }

  describe(): Pick<EngineHealth, 'details'> {
    const { mode } = this.#options;
    const { connections, trimmer } = this.#parts;
    return { details: { mode, connections: connections.states, heldStreams: [...trimmer.held] } };
  }
}

async function removeBell({ store, id }: Parts): Promise<void> {
  if (!store.connection.isReady) return;
  // It would expire by itself.
  await store.connection.run((client) => client.del(store.keys.bells + id), 500).catch(() => {});
}
