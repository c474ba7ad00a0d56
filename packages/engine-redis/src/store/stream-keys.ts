/** The names of the keys that the engine uses in Redis. Topics contain no colon, so none of these names is a topic's stream. */
export class StreamKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  stream(topic: string): string {
    return this.#prefix + topic;
  }

  topicOf(stream: string): string {
    return stream.slice(this.#prefix.length);
  }

  /** Hash: for each announced topic, the id before its first event. */
  get topics(): string {
    return `${this.#prefix}:topics`;
  }

  /** Stream: an entry announces each new topic. */
  get news(): string {
    return `${this.#prefix}:news`;
  }

  /** Hash: for each group and pattern that was subscribed to, the id after which the group begins. */
  get patterns(): string {
    return `${this.#prefix}:patterns`;
  }

  /** Hash: for each topic that was trimmed, the last id that was removed. */
  get trimmed(): string {
    return `${this.#prefix}:trimmed`;
  }

  /** Sorted set: the events that are delayed, by the time at which they are due. */
  get delayed(): string {
    return `${this.#prefix}:delayed`;
  }

  /** Counter: how many events were delayed, which orders those that are due at the same time. */
  get delayedCount(): string {
    return `${this.#prefix}:delayed:count`;
  }

  /**
   * Hash of a topic and group: for each key with unsettled events, how many there are and which consumer has them. Scripts use
   * another hash with `members` in its name: for each member, when its lease ends by the server's clock.
   */
  owners(topic: string, group: string): string {
    return `${this.#prefix}${topic}:owners:${group}`;
  }

  /** Comes before the id of an engine: a stream that wakes the blocking readers of that engine. */
  get wakePrefix(): string {
    return `${this.#prefix}:wake:`;
  }
}

/** Field of a stream's entry: the CloudEvent as JSON. */
export const eventField = 'event';
/** Field of a stream's entry: the event's key, if it has one. */
export const keyField = 'key';

/** The consumer, in each group, that has the entries that others gave back or left behind. */
export const leftBehind = '_left';
