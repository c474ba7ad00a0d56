import { messageOf } from './errors.ts';
import type { StreamStore } from './stream-store.ts';

/** How often streams that were published to are looked at, in milliseconds. */
const intervalMs = 30_000;

/**
 * Trims the streams that this engine publishes to, apart from publishing: a trim with XADD would take unsettled events along.
 */
export class Trimmer {
  readonly #store: StreamStore;
  readonly #published = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #every: number;
  #trimming: Promise<void> | undefined;
  /** Topics whose unsettled events keep more than the configuration allows. */
  readonly held: Set<string> = new Set();

  constructor(store: StreamStore) {
    this.#store = store;
    const { maxLen } = store.options;
    this.#every = maxLen === undefined ? Number.POSITIVE_INFINITY : Math.max(100, Math.ceil(maxLen / 4));
    this.#timer = setInterval(() => this.#trimAll([...this.#published.keys()]), intervalMs).unref();
  }

  published(topic: string): void {
    const count = (this.#published.get(topic) ?? 0) + 1;
    this.#published.set(topic, count);
    if (count >= this.#every) this.#trimAll([topic]);
  }

  #trimAll(topics: readonly string[]): void {
    if (this.#trimming !== undefined) return;
    this.#trimming = this.#trim(topics).finally(() => (this.#trimming = undefined));
  }

  async #trim(topics: readonly string[]): Promise<void> {
    const { retentionMs } = this.#store.options;
    for (const topic of topics) {
      this.#published.delete(topic);
      try {
        await this.#trimTopic(topic, `${Date.now() - retentionMs}-0`);
      } catch (error) {
        this.#store.logger.debug?.('a stream could not be trimmed', { topic, error: messageOf(error) });
      }
    }
  }

  async #trimTopic(topic: string, firstKept: string): Promise<void> {
    // A step takes a bounded number, so that no script holds up the server.
    for (;;) {
      const { trimmed, isHeld } = await this.#store.trim(topic, firstKept);
      if (isHeld && !this.held.has(topic)) {
        this.#store.logger.warn(
          'a stream keeps more than it should, because a group has not settled its events',
          { topic },
        );
      }
      if (isHeld) this.held.add(topic);
      else this.held.delete(topic);
      if (trimmed < 1000) return;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#trimming;
  }
}
