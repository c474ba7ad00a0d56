import type { EngineHealth, Event } from '@polybus/core';
import {
  type Acknowledgement,
  type ListenRequest,
  type Listener,
  type Receiver,
  type Transport,
  type TransportContext,
  assertTopic,
  matchesTopic,
} from '@polybus/core/engine';
import type { ChainableCommander, Cluster, Redis } from 'ioredis';
import { Channels } from './channels.ts';
import { nodeFor } from '../client/cluster-nodes.ts';
import type { Connection } from '../client/connection.ts';
import { type Connections, withConnections } from '../client/connections.ts';
import { RedisConnectionError, commandError } from '../errors.ts';
import type { RedisOptions } from '../options/options.ts';
import { type Message, Publisher, type Wire } from '../publish/publisher.ts';
import { Publishers } from '../publish/publishers.ts';
import { decode } from '../store/record.ts';

/** Nothing is kept, so nothing is acknowledged; what is given back is gone. */
const unkept: Acknowledgement = { settled: () => {}, release: () => false };

/** What opening the transport has made. */
interface Parts {
  readonly connections: Connections;
  readonly publishing: readonly Connection[];
  readonly publishers: Publishers;
  readonly channels: Channels;
  readonly engine: string;
}

/** Redis Pub/Sub: a channel per topic, one connection to publish and one to listen. */
export class PubSubTransport implements Transport {
  readonly #options: RedisOptions;
  readonly #parts: Parts;

  private constructor(options: RedisOptions, parts: Parts, listening: Connection) {
    this.#options = options;
    this.#parts = parts;
    listening.client.on('messageBuffer', this.#onMessage);
    listening.client.on('pmessageBuffer', this.#onPatternMessage);
  }

  static open(options: RedisOptions, context: TransportContext): Promise<PubSubTransport> {
    const { name, source } = context;
    const { keyPrefix, commandTimeoutMs, poolSize } = options;
    return withConnections(options, context, async (connections) => {
      const publishing = await Promise.all(
        Array.from({ length: poolSize }, () => connections.make('publisher', 'shared')),
      );
      const listening = await connections.makeSubscriber(publishing[0]!);
      const publisherOptions = { source, engine: name, timeoutMs: commandTimeoutMs };
      const wire = new PubSubWire(keyPrefix);
      const parts = {
        engine: name,
        connections,
        publishing,
        publishers: new Publishers(publishing.map((one) => new Publisher(one, wire, publisherOptions))),
        channels: new Channels(listening, { prefix: keyPrefix, timeoutMs: commandTimeoutMs, context }),
      };
      return new PubSubTransport(options, parts, listening);
    });
  }

  async close(): Promise<void> {
    await this.#parts.publishers.close();
    this.#parts.connections.closeAll();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    return this.#parts.publishers.send(event, signal);
  }

  async listen({ pattern }: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { channels, engine } = this.#parts;
    await channels.add(pattern, receiver).catch((error: unknown) => {
      throw commandError(error, { topic: pattern, engine });
    });
    return { stop: async () => channels.remove(pattern, receiver) };
  }

  readonly #onMessage = (channel: Buffer, bytes: Buffer): void => {
    const name = channel.toString();
    const topic = name.slice(this.#options.keyPrefix.length);
    this.#hand(this.#parts.channels.exact(name), topic, bytes);
  };

  readonly #onPatternMessage = (pattern: string, channel: Buffer | string, bytes: Buffer): void => {
    const found = this.#parts.channels.pattern(pattern);
    const topic = channel.toString().slice(this.#options.keyPrefix.length);
    // Redis' patterns match more than ours: an internal topic, or a name that is no topic.
    if (found === undefined || !isTopic(topic) || !matchesTopic(found.pattern, topic)) return;
    this.#hand(found.list, topic, bytes);
  };

  #hand(receivers: readonly Receiver[], topic: string, bytes: Buffer): void {
    if (receivers.length === 0) return;
    const { event, raw } = decode(topic, bytes);
    if (event === undefined) {
      for (const receiver of receivers) receiver.undecodable(raw, unkept);
      return;
    }
    for (const receiver of receivers) {
      if (receiver.capacity > 0) receiver.enqueue(event, unkept);
      else receiver.drop(event, 'buffer-full');
    }
    for (const receiver of receivers) receiver.run();
  }

  async ping(): Promise<void> {
    const { connections, publishing, channels } = this.#parts;
    connections.assertReady();
    const timeoutMs = Math.min(this.#options.commandTimeoutMs, 1000);
    await Promise.all(publishing.map((one) => one.run((client) => client.ping(), timeoutMs)));
    if (!channels.isComplete) throw new RedisConnectionError('The channels are not subscribed to again yet.');
  }

  describe(): Pick<EngineHealth, 'details'> {
    const { mode } = this.#options;
    const { connections, channels } = this.#parts;
    return { details: { mode, connections: connections.states, ...channels.gaps } };
  }
}

class PubSubWire implements Wire {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  carrier(client: Redis, topic: string): Redis {
    return nodeFor(client as unknown as Cluster, this.#prefix + topic);
  }

  send(client: Redis, { topic, text }: Message): Promise<unknown> {
    return client.publish(this.#prefix + topic, text);
  }

  add(pipeline: ChainableCommander, { topic, text }: Message): void {
    pipeline.publish(this.#prefix + topic, text);
  }
}

function isTopic(name: string): boolean {
  try {
    assertTopic(name);
    return true;
  } catch {
    return false;
  }
}
