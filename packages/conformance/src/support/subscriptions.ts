import assert from 'node:assert/strict';
import type { RetryOptions, SubscribeOptions } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';

/** A buffer so large that an engine which drops events when a buffer is full drops none of a case. */
export const roomy: SubscribeOptions = { bufferSize: 10_000 };

/** Retries with this many attempts and 1 ms between them. */
export function attempts(count: number): RetryOptions {
  return { attempts: count, backoff: { initialMs: 1, maxMs: 1, jitter: 'none' } };
}

/** An `UnrecoverableError` as another installed copy of core makes it: it has the same code and brand but is no instance of this class. */
export function unrecoverableOfAnotherCopy(): Error {
  const error = Object.assign(new Error('never'), { code: 'UNRECOVERABLE' });
  return Object.defineProperty(error, Symbol.for('polybus.error'), { value: true });
}

/** Asserts which topics and patterns have subscriptions on the engine. */
export function assertTopics(engine: Engine, expected: readonly string[]): void {
  const [got, wanted] = [engine.topics(), expected].map(
    (topics) => topics.toSorted().join(', ') || 'nothing',
  );
  assert.ok(got === wanted, `expected topics() to list ${wanted}, got ${got}`);
}

/** Asserts how many subscriptions of the engine get the events of a topic. */
export function assertSubscribers(engine: Engine, topic: string, expected: number): void {
  const got = engine.subscriberCount(topic);
  assert.ok(got === expected, `expected subscriberCount('${topic}') to be ${expected}, got ${got}`);
}
