import { messageOf } from '../errors.ts';
import type { StreamStore } from './stream-store.ts';

/** How often streams that were published to are looked at, in milliseconds. */
const intervalMs = 30_000;
/** How often those are that were not, as what is in them grows old all the same. */
const restMs = 600_000;
/** How many topics are remembered, so that unbounded topic names cannot fill the memory. */
const maxRemembered = 10_000;

const never = Number.NEGATIVE_INFINITY;

interface Topic {
  /** How many events since the last trim. */
  published: number;
  /** By `performance.now()`. */
  trimmedAt: number;
}

/**
 * Trims the streams that this engine publishes to, or has, apart from publishing: a trim with XADD would take unsettled events
 * along.
 */
export class Trimmer {
  readonly #store: StreamStore;
  readonly #topics = new Map<string, Topic>();
  readonly #timer: NodeJS.Timeout;
  readonly #every: number;
  #trimming: Promise<void> | undefined;
  /** Topics whose unsettled events keep more than the configuration allows. */
  readonly held: Set<string> = new Set();

  constructor(store: StreamStore) {
    this.#store = store;
    const { maxLen } = store.options;
    this.#every = maxLen === undefined ? Number.POSITIVE_INFINITY : Math.max(100, Math.ceil(maxLen / 4));
    this.#timer = setInterval(() => this.#trimAll(this.#due()), intervalMs).unref();
  }

  /** An event is sent. One that a server refuses because it is full counts too: trimming is what makes room for it. */
  published(topic: string): void {
    let about = this.#topics.get(topic);
    if (about === undefined) {
      about = { published: 0, trimmedAt: performance.now() };
      this.#topics.set(topic, about);
      if (this.#topics.size > maxRemembered) this.#topics.delete(this.#topics.keys().next().value!);
    }
    about.published++;
    if (about.published >= this.#every) this.#trimAll([topic]);
  }

  #due(): string[] {
    const longAgo = performance.now() - restMs;
    return [...this.#topics]
      .filter(([, { published, trimmedAt }]) => published > 0 || trimmedAt <= longAgo)
      .map(([topic]) => topic);
  }

  #trimAll(topics: readonly string[]): void {
    if (this.#trimming !== undefined) return;
    this.#trimming = this.#trim(topics).finally(() => (this.#trimming = undefined));
  }

  async #trim(topics: readonly string[]): Promise<void> {
    for (const topic of topics) {
      const about = this.#topics.get(topic) ?? { published: 0, trimmedAt: never };
      about.published = 0;
      const now = performance.now();
      try {
        await this.#trimTopic(topic);
        about.trimmedAt = now;
      } catch (error) {
        // Again with the next that are due, and not with the next event, which would fail as well.
        about.trimmedAt = never;
        this.#store.logger.debug?.('a stream could not be trimmed', { topic, error: messageOf(error) });
      }
    }
  }

  async #trimTopic(topic: string): Promise<void> {
    for (;;) {
      const { hasMore, isHeld } = await this.#store.trim(topic);
      if (isHeld && !this.held.has(topic)) {
        this.#store.logger.warn(
          'a stream keeps more than it should, because a group has not settled its events',
          { topic },
        );
      }
      if (isHeld) this.held.add(topic);
      else this.held.delete(topic);
      if (!hasMore) return;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#trimming;
  }
}
