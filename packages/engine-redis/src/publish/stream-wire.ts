import type { ChainableCommander, Redis } from 'ioredis';
import type { Message, Wire } from './publisher.ts';
import { addDelayed } from '../store/delay-scripts.ts';
import { addAnnounced } from '../store/topic-scripts.ts';
import { fieldsFor } from '../store/stream-entry.ts';
import type { StreamKeys } from '../store/stream-keys.ts';

/** The maximum number of topics that are remembered as announced, so that unbounded topic names cannot fill the memory. */
const maxRemembered = 10_000;

/**
 * Publishes to streams with XADD, if the stream exists. The first event of a topic from this engine, and an event whose stream does
 * not exist, is sent with the script that announces the topic.
 */
export class StreamWire implements Wire {
  readonly #keys: StreamKeys;
  readonly #onPublish: (topic: string) => void;
  readonly #onDelayed: (dueInMs: number) => void;
  readonly #announced = new Set<string>();

  /**
   * @param onPublish - Called for each event that is sent, whether the server accepts it or not.
   * @param onDelayed - Called when the server has stored a delayed event.
   */
  constructor(keys: StreamKeys, onPublish: (topic: string) => void, onDelayed: (dueInMs: number) => void) {
    this.#keys = keys;
    this.#onPublish = onPublish;
    this.#onDelayed = onDelayed;
  }

  /** The server may have lost its data, so topics are announced again. */
  forget(): void {
    this.#announced.clear();
  }

  send(client: Redis, message: Message): Promise<unknown> {
    if (message.delay !== undefined) return addDelayed.evaluate(client, ...this.#delayed(message));
    this.#onPublish(message.topic);
    if (!this.#announced.has(message.topic)) return this.#announce(client, message);
    return client.xadd(...this.#arguments(message));
  }

  add(pipeline: ChainableCommander, message: Message): void {
    if (message.delay !== undefined) {
      pipeline.eval(...addDelayed.evalArguments(...this.#delayed(message)));
      return;
    }
    this.#onPublish(message.topic);
    if (this.#announced.has(message.topic)) pipeline.xadd(...this.#arguments(message));
    else pipeline.eval(...addAnnounced.evalArguments(...this.#announcement(message)));
  }

  accept(client: Redis, message: Message, answer: unknown): Promise<unknown> | undefined {
    if (message.delay !== undefined) {
      this.#onDelayed(Number(answer));
      return undefined;
    }
    // The answer is null if the stream does not exist: it was deleted, or the server has lost its data.
    if (answer === null) return this.#announce(client, message).then(() => this.#published(message));
    this.#published(message);
    return undefined;
  }

  #published({ topic }: Message): void {
    if (this.#announced.size >= maxRemembered) this.#announced.clear();
    this.#announced.add(topic);
  }

  #announce(client: Redis, message: Message): Promise<unknown> {
    // The script is sent in full. By its hash, a server that does not know it would need a second command, which later events would
    // overtake.
    return addAnnounced.evaluate(client, ...this.#announcement(message));
  }

  #announcement({ topic, text, key }: Message): [string[], string[]] {
    const { topics, news, patterns } = this.#keys;
    return [
      [this.#keys.stream(topic), topics, news, patterns],
      [topic, ...fieldsFor(text, key)],
    ];
  }

  #delayed({ topic, text, key, delay }: Message): [string[], (string | number)[]] {
    const { delayed, delayedCount } = this.#keys;
    return [
      [delayed, delayedCount],
      [delay?.delayMs ?? '', delay?.at ?? '', topic, ...fieldsFor(text, key)],
    ];
  }

  #arguments({ topic, text, key }: Message): [string, 'NOMKSTREAM', '*', ...string[]] {
    return [this.#keys.stream(topic), 'NOMKSTREAM', '*', ...fieldsFor(text, key)];
  }
}
