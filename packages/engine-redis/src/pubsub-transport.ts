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
import type { Connection } from './client/connection.ts';
import { type Connections, withConnections } from './client/connections.ts';
import { RedisConnectionError, commandError } from './errors.ts';
import type { RedisOptions } from './options/options.ts';
import { Publisher } from './publish/publisher.ts';
import { Publishers } from './publish/publishers.ts';
import { Channels } from './pubsub/channels.ts';
import { PubSubWire } from './pubsub/pubsub-wire.ts';
import { decode } from './store/decode.ts';

/** Pub/Sub keeps no events, so an acknowledgement has no effect, and a released event is lost. */
const noAcknowledgement: Acknowledgement = { settled: () => {}, release: () => false };

/** The parts of an open transport. */
interface Parts {
  readonly connections: Connections;
  readonly publishing: readonly Connection[];
  readonly publishers: Publishers;
  readonly channels: Channels;
  readonly engine: string;
}

/** Mode `pubsub`: Redis Pub/Sub, a channel for each topic, with connections to publish and one to listen. */
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
        Array.from({ length: poolSize }, () => connections.make('publisher', 'publish')),
      );
      const listening = await connections.makeSubscriber(publishing[0]!);
      const publisherOptions = { source, engine: name, timeoutMs: commandTimeoutMs };
      const wire = new PubSubWire(keyPrefix);
      const parts = {
        engine: name,
        connections,
        publishing,
        publishers: new Publishers(
          publishing.map((connection) => new Publisher(connection, wire, publisherOptions)),
        ),
        channels: new Channels(listening, { prefix: keyPrefix, timeoutMs: commandTimeoutMs, context }),
      };
      return new PubSubTransport(options, parts, listening);
    });
  }

  async close(): Promise<void> {
    await this.#parts.publishers.close();
    this.#parts.connections.closeAll();
    this.#parts.channels.close();
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
    this.#deliver(this.#parts.channels.exact(name), topic, bytes);
  };

  readonly #onPatternMessage = (pattern: string, channel: Buffer | string, bytes: Buffer): void => {
    const found = this.#parts.channels.pattern(pattern);
    const topic = channel.toString().slice(this.#options.keyPrefix.length);
    // Patterns of Redis match more than those of topics: internal topics, and names that are no topics.
    if (found === undefined || !isTopic(topic) || !matchesTopic(found.pattern, topic)) return;
    this.#deliver(found.list, topic, bytes);
  };

  #deliver(receivers: readonly Receiver[], topic: string, bytes: Buffer): void {
    if (receivers.length === 0) return;
    const { event, raw } = decode(topic, bytes);
    if (event === undefined) {
      for (const receiver of receivers) receiver.undecodable(raw, noAcknowledgement);
      return;
    }
    for (const receiver of receivers) {
      if (receiver.capacity > 0) receiver.enqueue(event, noAcknowledgement);
      else receiver.drop(event, 'buffer-full');
    }
    for (const receiver of receivers) receiver.run();
  }

  async ping(): Promise<void> {
    const { connections, publishing, channels } = this.#parts;
    connections.assertReady();
    const timeoutMs = Math.min(this.#options.commandTimeoutMs, 1000);
    await Promise.all(publishing.map((connection) => connection.probe(timeoutMs)));
    if (!channels.isComplete)
      throw new RedisConnectionError('The engine has not subscribed to its channels again yet.');
  }

  describe(): Pick<EngineHealth, 'details'> & Partial<Pick<EngineHealth, 'status' | 'error'>> {
    const { mode } = this.#options;
    const { connections, channels } = this.#parts;
    const details = { mode, connections: connections.states, ...channels.gaps };
    const error = channels.problem;
    return error === undefined ? { details } : { details, status: 'degraded', error };
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
