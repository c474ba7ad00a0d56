import { InvalidTopicError } from '../errors/errors.ts';

/** Kafka's limit on a topic name, which is the strictest of the brokers. */
export const maxTopicLength = 249;

export const topicGrammar: RegExp = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const prefixGrammar = /^(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]*$/;

/** True for a pattern with a wildcard, `user.*` or `*`; false for a topic. */
export function isPattern(topicOrPattern: string): boolean {
  return topicOrPattern.endsWith('*');
}

/**
 * Checks a topic: dot-separated segments of `[A-Za-z0-9_-]`, at most 249 characters.
 *
 * @throws {@link InvalidTopicError}
 */
export function assertTopic(topic: unknown): asserts topic is string {
  if (typeof topic !== 'string')
    throw new InvalidTopicError(topic, 'a topic is a string, such as "user.created".');
  if (topic.length <= maxTopicLength && topicGrammar.test(topic)) return;
  throw new InvalidTopicError(topic, reasonAgainst(topic, topic));
}

/**
 * Checks a topic or a pattern: a topic, a prefix followed by one trailing `*`, or `*` alone.
 *
 * @throws {@link InvalidTopicError}
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

/** True for the bus's own topics (dead letters, bookkeeping): those that begin with `_`. */
export function isInternalTopic(topic: string): boolean {
  return topic.startsWith('_');
}

/** True where an event of the topic reaches a subscription to the pattern. Both are taken as valid. */
export function matchesTopic(pattern: string, topic: string): boolean {
  if (!isPattern(pattern)) return pattern === topic;
  if (isInternalTopic(topic) && !isInternalTopic(pattern)) return false;
  return topic.startsWith(pattern.slice(0, -1));
}

/** True where some topic is matched by both. */
export function patternsOverlap(a: string, b: string): boolean {
  if (!isPattern(a)) return matchesTopic(b, a);
  if (!isPattern(b)) return matchesTopic(a, b);
  if (isInternalTopic(a) !== isInternalTopic(b)) return false;
  const [x, y] = [a.slice(0, -1), b.slice(0, -1)];
  return x.startsWith(y) || y.startsWith(x);
}

/** True where every topic that `inner` matches is matched by `outer` too. */
export function patternCovers(outer: string, inner: string): boolean {
  if (!isPattern(inner)) return matchesTopic(outer, inner);
  if (!isPattern(outer) || isInternalTopic(outer) !== isInternalTopic(inner)) return false;
  return inner.startsWith(outer.slice(0, -1));
}

/** How many topics a matcher remembers the answer for, so that unbounded topic names cannot fill the memory. */
const maxRemembered = 10_000;
const nothing: readonly never[] = [];

/**
 * Finds the values whose topic or pattern matches a topic, each once, in the order they were added. A topic seen before costs one
 * map look-up; a new one costs a look-up per prefix length in use, however many patterns there are.
 */
export class TopicMatcher<T> {
  readonly #exact = new Map<string, Map<T, number>>();
  readonly #prefixes = new Map<string, Map<T, number>>();
  /** How many prefixes there are of each length. */
  readonly #prefixLengths = new Map<number, number>();
  #remembered = new Map<string, readonly T[]>();
  #added = 0;

  /** Adds a value under a topic or pattern; the same pair twice counts once. */
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

  /** Removes what `add` added; true where it was there. */
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

  /** The values that match a topic. The array is shared between calls: do not change it. */
  match(topic: string): readonly T[] {
    const known = this.#remembered.get(topic);
    if (known !== undefined) return known;
    const found = this.#find(topic);
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
    this.#remembered.set(topic, found);
    return found;
  }

  /** The values under exactly this topic or pattern. */
  get(pattern: string): T[] {
    const [index, name] = this.#indexOf(pattern);
    return [...(index.get(name)?.keys() ?? nothing)];
  }

  /** The topics and patterns that have a value. */
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
