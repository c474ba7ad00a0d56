import type { LoadConfigOptions } from '../config/loading/load-config.ts';
import { suggestion } from '../errors/suggest.ts';
import type { PublishOptions, StartOptions, StopOptions, SubscribeOptions } from '../contract/contract.ts';
import { InvalidEventError, InvalidOptionError, UnknownOptionError } from '../errors/errors.ts';
import type { Event } from '../contract/event.ts';
import type { RedriveOptions } from '../dead-letters/redrive.ts';
import type { BackoffOptions, RetryOptions } from '../contract/retry.ts';
import type { TopicPublishOptions } from '../typed/typed-topics.ts';

/** The names of all options of a call: the type asks for each of them. */
type Names<O> = Readonly<Record<keyof O, true>>;

const eventNames = {
  topic: true,
  payload: true,
  id: true,
  key: true,
  metadata: true,
  createdAt: true,
  // Of an event that was received, and is published on.
  processingStarted: true,
  processingCompleted: true,
} satisfies Names<Event>;

const signal = { signal: true } satisfies Names<PublishOptions>;

/** The calls that take options; what they are called in messages. */
export type Call =
  'publish' | 'publish(topic, payload)' | 'subscribe' | 'loadConfig' | 'start' | 'stop' | 'drain' | 'redrive';

/** The options that each call has. */
const optionNames = {
  publish: signal,
  'publish(topic, payload)': {
    ...signal,
    id: true,
    key: true,
    metadata: true,
    createdAt: true,
  } satisfies Names<TopicPublishOptions>,
  subscribe: {
    ...signal,
    group: true,
    tenant: true,
    concurrency: true,
    from: true,
    retry: true,
    deadLetter: true,
    handlerTimeoutMs: true,
    bufferSize: true,
  } satisfies Names<SubscribeOptions>,
  loadConfig: {
    file: true,
    env: true,
    envPrefix: true,
    logger: true,
    code: true,
  } satisfies Names<LoadConfigOptions>,
  start: signal satisfies Names<StartOptions>,
  stop: { ...signal, timeoutMs: true } satisfies Names<StopOptions>,
  drain: { ...signal, timeoutMs: true } satisfies Names<StopOptions>,
  redrive: {
    ...signal,
    group: true,
    tenant: true,
    limit: true,
    filter: true,
    deadLetter: true,
    idleMs: true,
  } satisfies Names<RedriveOptions>,
} as const satisfies Record<Call, object>;

const retryNames = { attempts: true, backoff: true, shouldRetry: true } satisfies Names<RetryOptions>;
const backoffNames = {
  initialMs: true,
  maxMs: true,
  factor: true,
  jitter: true,
} satisfies Names<BackoffOptions>;

/**
 * Checks that a call got no option that it does not have: what is misspelt would silently count for nothing.
 *
 * @throws {@link UnknownOptionError}, {@link InvalidOptionError}
 */
export function assertOptionsOf(call: Call, options: object | undefined): void {
  if (options !== undefined) assertNames(call, '', options, optionNames[call]);
}

/**
 * Checks `retry` and what is in it.
 *
 * @throws {@link UnknownOptionError}
 */
export function assertRetryNames(retry: RetryOptions, backoff: BackoffOptions): void {
  assertNames('subscribe', 'retry.', retry, retryNames);
  assertNames('subscribe', 'retry.backoff.', backoff, backoffNames);
}

function assertNames(call: string, path: string, options: object, names: object): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new InvalidOptionError('options', options, 'an object');
  for (const name in options) {
    if (Object.hasOwn(names, name) || (options as Record<string, unknown>)[name] === undefined) continue;
    throw new UnknownOptionError(path + name, call, suggestion(name, Object.keys(names), 'options'));
  }
}

/**
 * Checks that an event to publish has no field that events do not have.
 *
 * @throws {@link InvalidEventError}
 */
export function assertEventNames(event: object, topic: string): void {
  for (const name in event) {
    // The names that nearly every event has, first: this is asked of each event.
    if (name === 'topic' || name === 'payload' || name === 'key' || name === 'metadata' || name === 'id')
      continue;
    if (Object.hasOwn(eventNames, name) || (event as Record<string, unknown>)[name] === undefined) continue;
    const hint = suggestion(name, ['topic', 'payload', 'id', 'key', 'metadata', 'createdAt'], 'fields');
    throw new InvalidEventError(name, `is no field of an event; ${hint}`, { topic });
  }
}
