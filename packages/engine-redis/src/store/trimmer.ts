import { messageOf } from '../errors.ts';
import type { StreamStore } from './stream-store.ts';

/** How often streams that were published to are trimmed, in milliseconds. */
const intervalMs = 30_000;
/** How often streams that were not published to are trimmed, because their entries still grow old. */
const idleIntervalMs = 600_000;
/** The maximum number of topics that are remembered, so that unbounded topic names cannot fill the memory. */
const maxRemembered = 10_000;

const never = Number.NEGATIVE_INFINITY;

interface Topic {
  /** How many events were published since the last trim. */
  published: number;
  /** By `performance.now()`. */
  trimmedAt: number;
}

/**
 * Trims the streams that this engine publishes to. It does so separately from publishing, because a trim with XADD would remove
 * unsettled events.
 */
export class Trimmer {
  readonly #store: StreamStore;
  readonly #topics = new Map<string, Topic>();
  readonly #timer: NodeJS.Timeout;
  readonly #every: number;
  #trimming: Promise<void> | undefined;
  /** Topics that keep more events than configured, because some are unsettled. */
  readonly held: Set<string> = new Set();

  constructor(store: StreamStore) {
    this.#store = store;
    const { maxLen } = store.options;
    this.#every = maxLen === undefined ? Number.POSITIVE_INFINITY : Math.max(100, Math.ceil(maxLen / 4));
    this.#timer = setInterval(() => this.#trimAll(this.#due()), intervalMs).unref();
  }

  /** An event is sent. An event that a full server refuses counts too: trimming makes room for it. */
  published(topic: string): void {
    let state = this.#topics.get(topic);
    if (state === undefined) {
      state = { published: 0, trimmedAt: performance.now() };
      this.#topics.set(topic, state);
      if (this.#topics.size > maxRemembered) this.#topics.delete(this.#topics.keys().next().value!);
    }
    state.published++;
    if (state.published >= this.#every) this.#trimAll([topic]);
  }

  #due(): string[] {
    const longAgo = performance.now() - idleIntervalMs;
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
      const state = this.#topics.get(topic) ?? { published: 0, trimmedAt: never };
      state.published = 0;
      const now = performance.now();
      try {
        await this.#trimTopic(topic);
        state.trimmedAt = now;
      } catch (error) {
        // Tried again with the next trims that are due, not with the next event, which would fail as well.
        state.trimmedAt = never;
        this.#store.logger.debug?.('a stream could not be trimmed', { topic, error: messageOf(error) });
      }
    }
  }

  async #trimTopic(topic: string): Promise<void> {
    for (;;) {
      const { hasMore, isHeld } = await this.#store.trim(topic);
      if (isHeld && !this.held.has(topic)) {
        this.#store.logger.warn(
          'a stream keeps more events than configured, because a group has not settled them',
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
