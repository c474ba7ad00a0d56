import { InvalidTopicError } from '../errors/errors.ts';

/** The maximum length of a topic: the limit of Kafka, which is the strictest of the brokers. */
export const maxTopicLength = 249;

export const topicGrammar: RegExp = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const prefixGrammar = /^(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]*$/;

/** Returns true for a pattern, such as `user.*` or `*`; false for a topic. */
export function isPattern(topicOrPattern: string): boolean {
  return topicOrPattern.endsWith('*');
}

/**
 * Asserts that a value is a topic: segments of `[A-Za-z0-9_-]` separated by dots, at most 249 characters.
 *
 * @throws {@link InvalidTopicError} if it is not.
 */
export function assertTopic(topic: unknown): asserts topic is string {
  if (typeof topic !== 'string')
    throw new InvalidTopicError(topic, 'a topic is a string, such as "user.created".');
  if (topic.length <= maxTopicLength && topicGrammar.test(topic)) return;
  throw new InvalidTopicError(topic, reasonAgainst(topic, topic));
}

/**
 * Asserts that a value is a topic or a pattern. A pattern is a prefix of topics followed by one `*`, or `*` alone.
 *
 * @throws {@link InvalidTopicError} if it is neither.
 */
export function assertTopicOrPattern(pattern: unknown): asserts pattern is string {
  if (typeof pattern !== 'string') {
    throw new InvalidTopicError(
      pattern,
      'a topic or pattern is a string, such as "user.created" or "user.*".',
    );
  }
  if (!isPattern(pattern)) return assertTopic(pattern);
  const prefix = pattern.slice(0, -1);
  if (pattern.length <= maxTopicLength && prefixGrammar.test(prefix)) return;
  throw new InvalidTopicError(pattern, reasonAgainst(pattern, prefix));
}

function reasonAgainst(whole: string, text: string): string {
  if (whole === '') return 'it is empty; name the event, such as "user.created".';
  if (whole.length > maxTopicLength) {
    return `it has ${whole.length} characters; at most ${maxTopicLength} are allowed.`;
  }
  if (text.includes('*')) return 'a wildcard is one "*" at the end of a pattern, and a topic has none.';
  if (text.startsWith('.') || text.includes('..') || text.endsWith('.')) {
    return 'it has an empty segment; put exactly one dot between segments.';
  }
  return 'segments hold letters A-Z and a-z, digits, "_" and "-" only, with dots between them.';
}

/** Returns true for a topic of the bus itself, such as a dead-letter topic: it begins with `_`. */
export function isInternalTopic(topic: string): boolean {
  return topic.startsWith('_');
}

/** Returns true if a subscription to the pattern gets events of the topic. It does not validate its arguments. */
export function matchesTopic(pattern: string, topic: string): boolean {
  if (!isPattern(pattern)) return pattern === topic;
  if (isInternalTopic(topic) && !isInternalTopic(pattern)) return false;
  return topic.startsWith(pattern.slice(0, -1));
}

/** Returns true if a topic exists that both patterns match. */
export function patternsOverlap(a: string, b: string): boolean {
  if (!isPattern(a)) return matchesTopic(b, a);
  if (!isPattern(b)) return matchesTopic(a, b);
  if (isInternalTopic(a) !== isInternalTopic(b)) return false;
  const [x, y] = [a.slice(0, -1), b.slice(0, -1)];
  return x.startsWith(y) || y.startsWith(x);
}

/** Returns true if `outer` matches every topic that `inner` matches. */
export function patternCovers(outer: string, inner: string): boolean {
  if (!isPattern(inner)) return matchesTopic(outer, inner);
  if (!isPattern(outer) || isInternalTopic(outer) !== isInternalTopic(inner)) return false;
  return inner.startsWith(outer.slice(0, -1));
}

/** The number of topics whose result a matcher caches, so that an unlimited number of topics cannot exhaust memory. */
const maxRemembered = 10_000;
const nothing: readonly never[] = [];

/**
 * Finds the values whose topic or pattern matches a topic, each once, in the order in which they were added. A cached topic costs one
 * map lookup; any other costs one lookup per prefix length in use, whatever the number of patterns.
 */
export class TopicMatcher<T> {
  readonly #exact = new Map<string, Map<T, number>>();
  readonly #prefixes = new Map<string, Map<T, number>>();
  /** The number of prefixes of each length. */
  readonly #prefixLengths = new Map<number, number>();
  #remembered = new Map<string, readonly T[]>();
  #added = 0;

  /** Adds a value under a topic or pattern. Adding the same pair again changes nothing. */
  add(pattern: string, value: T): void {
    const [index, name] = this.#indexOf(pattern);
    let values = index.get(name);
    if (values === undefined) {
      index.set(name, (values = new Map()));
      if (index === this.#prefixes) this.#countLength(name.length, 1);
    }
    if (!values.has(value)) values.set(value, this.#added++);
    this.#remembered = new Map();
  }

  /** Removes a value that `add` added. Returns false if there was none. */
  remove(pattern: string, value: T): boolean {
    const [index, name] = this.#indexOf(pattern);
    const values = index.get(name);
    if (values === undefined || !values.delete(value)) return false;
    if (values.size === 0) {
      index.delete(name);
      if (index === this.#prefixes) this.#countLength(name.length, -1);
    }
    this.#remembered = new Map();
    return true;
  }

  /** Returns the values that match a topic. Calls share the array: do not change it. */
  match(topic: string): readonly T[] {
    const known = this.#remembered.get(topic);
    if (known !== undefined) return known;
    const found = this.#find(topic);
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
    this.#remembered.set(topic, found);
    return found;
  }

  /** Returns the values that were added under exactly this topic or pattern. */
  get(pattern: string): T[] {
    const [index, name] = this.#indexOf(pattern);
    return [...(index.get(name)?.keys() ?? nothing)];
  }

  /** Returns the topics and patterns that have a value. */
  patterns(): string[] {
    return [...this.#exact.keys(), ...[...this.#prefixes.keys()].map((prefix) => `${prefix}*`)];
  }

  #indexOf(pattern: string): [Map<string, Map<T, number>>, string] {
    return isPattern(pattern) ? [this.#prefixes, pattern.slice(0, -1)] : [this.#exact, pattern];
  }

  #countLength(length: number, by: number): void {
    const count = (this.#prefixLengths.get(length) ?? 0) + by;
    if (count === 0) this.#prefixLengths.delete(length);
    else this.#prefixLengths.set(length, count);
  }

  #find(topic: string): readonly T[] {
    const found = new Map<T, number>(this.#exact.get(topic));
    const internal = isInternalTopic(topic);
    for (const length of this.#prefixLengths.keys()) {
      if (length > topic.length || (internal && length === 0)) continue;
      const values = this.#prefixes.get(topic.slice(0, length));
      for (const [value, order] of values ?? nothing) {
        found.set(value, Math.min(order, found.get(value) ?? order));
      }
    }
    if (found.size === 0) return nothing;
    return [...found].sort((a, b) => a[1] - b[1]).map(([value]) => value);
  }
}
