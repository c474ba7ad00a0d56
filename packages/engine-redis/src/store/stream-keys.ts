/** The names of what the engine keeps in Redis. No topic has a colon, so none of these is a topic's stream. */
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

  /** Hash: each topic that has a stream, and the id before its first event. */
  get topics(): string {
    return `${this.#prefix}:topics`;
  }

  /** Stream: one entry for each topic that is new. */
  get news(): string {
    return `${this.#prefix}:news`;
  }

  /** Hash: the groups and patterns that have been there before, each with the id before which it wants nothing. */
  get patterns(): string {
    return `${this.#prefix}:patterns`;
  }

  /** Hash: of each topic that was trimmed the last id that went. */
  get trimmed(): string {
    return `${this.#prefix}:trimmed`;
  }

  /**
   * Hash of a topic and group: for each key with unsettled events how many there are, and which consumer has them. Beside it is
   * one with `members` in its name, which only scripts use: for each member when its lease ends, by the server's clock.
   */
  owners(topic: string, group: string): string {
    return `${this.#prefix}${topic}:owners:${group}`;
  }

  /** Before the id of an engine: a stream that wakes its blocking readers. */
  get bells(): string {
    return `${this.#prefix}:bell:`;
  }
}

/** Field of a stream's entry: the CloudEvent as JSON. */
export const eventField = 'event';
/** Field of a stream's entry: the event's key, where it has one. */
export const keyField = 'key';

/** The consumer, in each group, that has what others gave back or left behind. */
export const leftBehind = '_left';
