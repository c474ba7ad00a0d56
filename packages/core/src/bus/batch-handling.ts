import { AsyncLocalStorage } from 'node:async_hooks';
import type {
  BatchContext,
  BatchHandler,
  EventHandler,
  HandlerContext,
  SubscribeBatchOptions,
} from '../contract/bus.ts';
import type { Event } from '../contract/event.ts';
import { assertTopicOrPattern } from '../contract/topics.ts';
import type { BatchPolicy } from '../dispatch/batch/batching.ts';
import { activeWork, runInWork } from '../dispatch/current-work.ts';
import type { DeliveryOwner, DeliveryState, Work } from '../dispatch/delivery.ts';
import { assertOptionsOf, count, timerMs } from '../engine/options/call-options.ts';
import { type InternalSubscribeOptions, batchOption } from '../engine/options/subscribe-options.ts';
import { HandlerRequiredError, InvalidOptionError } from '../errors/errors.ts';

/** An event that has passed its schema and its middleware. */
interface Joined {
  readonly event: Event;
  readonly context: HandlerContext;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Checks the arguments of `subscribeBatch`, and sets their defaults.
 *
 * @throws as `subscribeBatch` does.
 */
export function batchHandling(
  topic: string,
  handler: BatchHandler<never>,
  options: SubscribeBatchOptions,
): { batches: BatchHandling; subscribeOptions: InternalSubscribeOptions } {
  assertOptionsOf('subscribeBatch', options);
  assertTopicOrPattern(topic);
  if (typeof handler !== 'function') throw new HandlerRequiredError(topic, handler);
  const { maxSize = 100, maxWaitMs = 100, ...others } = options;
  const batches = new BatchHandling(handler, count('maxSize', maxSize), timerMs('maxWaitMs', maxWaitMs, 0));
  return { batches, subscribeOptions: { ...others, concurrency: 1, [batchOption]: batches.policy } };
}

/**
 * Handles the events of a subscription in batches. Each event is one delivery, and passes its schema and its middleware alone. The last
 * one that comes out of them calls the handler for all of its batch.
 */
export class BatchHandling {
  readonly policy: BatchPolicy;
  readonly #handler: BatchHandler<never>;
  readonly #batches = new WeakMap<HandlerContext, JoiningBatch>();
  // The handler belongs to no single event, so it must not run in the context of the middleware of the last one.
  readonly #outside: <R>(run: () => R) => R = AsyncLocalStorage.snapshot();

  constructor(handler: BatchHandler<never>, maxSize: number, maxWaitMs: number) {
    this.#handler = handler;
    const begins = (contexts: readonly HandlerContext[]): void => void this.#begins(contexts);
    this.policy = { maxSize, maxWaitMs, begins };
  }

  #begins(contexts: readonly HandlerContext[]): JoiningBatch {
    const batch = new JoiningBatch(contexts, (joined) => void this.#handle(joined));
    for (const context of contexts) this.#batches.set(context, batch);
    return batch;
  }

  /** An engine that knows no batches delivers each event alone. */
  #batchOf(context: HandlerContext): JoiningBatch {
    return this.#batches.get(context) ?? this.#begins([context]);
  }

  /** The innermost handler of one event: resolves when its batch is handled, and rejects if the event has failed. */
  readonly join: EventHandler<never> = (event: Event, context) => this.#batchOf(context).join(event, context);

  /** @param handler - `join`, in the schemas and the middleware of the bus. */
  around(handler: EventHandler<never>): EventHandler<never> {
    return async (event, context) => {
      const batch = this.#batchOf(context);
      try {
        await handler(event, context);
      } finally {
        batch.leave(context);
      }
    };
  }

  async #handle(joined: readonly Joined[]): Promise<void> {
    const { context } = joined[0]!;
    // The middleware of an event took longer than the handler may: all events of the batch have failed.
    if (context.signal.aborted) return;
    const queue = activeWork()?.queue;
    const work = queue === undefined ? undefined : new BatchWork(queue);
    const failures = new Map<Event, unknown>();
    const running = new RunningBatch(joined, failures);
    const call = (): unknown =>
      this.#handler(
        joined.map(({ event }) => event as never),
        running,
      );
    let thrown: { readonly error: unknown } | undefined;
    try {
      await this.#outside(() => (work === undefined ? call() : runInWork(work, call)));
    } catch (error) {
      thrown = { error };
    }
    if (work !== undefined) work.state = 'done';
    running.end();
    for (const { event, resolve, reject } of joined) {
      if (failures.has(event)) reject(failures.get(event));
      else if (thrown !== undefined) reject(thrown.error);
      else resolve();
    }
  }
}

/** The events of a batch on their way through schemas and middleware. */
class JoiningBatch {
  readonly #contexts: readonly HandlerContext[];
  readonly #complete: (joined: readonly Joined[]) => void;
  readonly #missing: Set<HandlerContext>;
  readonly #joined = new Map<HandlerContext, Joined>();

  /** @param complete - Called once no event is on its way any more, unless none has joined. */
  constructor(contexts: readonly HandlerContext[], complete: (joined: readonly Joined[]) => void) {
    this.#contexts = contexts;
    this.#complete = complete;
    this.#missing = new Set(contexts);
  }

  join(event: Event, context: HandlerContext): Promise<void> {
    // Its middleware has already ended without `next`, so the event counts as handled.
    if (!this.#missing.has(context)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#joined.set(context, { event, context, resolve, reject });
      this.leave(context);
    });
  }

  /** An event has joined, or will not: its schema refuses it, or its middleware has failed or has not called `next`. */
  leave(context: HandlerContext): void {
    if (!this.#missing.delete(context) || this.#missing.size > 0) return;
    const joined = this.#contexts.flatMap((one) => this.#joined.get(one) ?? []);
    if (joined.length > 0) this.#complete(joined);
  }
}

/** The context of a batch handler. */
class RunningBatch implements BatchContext {
  readonly #contexts: Map<Event, HandlerContext>;
  readonly #first: HandlerContext;
  readonly #failures: Map<Event, unknown>;

  constructor(joined: readonly Joined[], failures: Map<Event, unknown>) {
    this.#contexts = new Map(joined.map(({ event, context }) => [event, context]));
    this.#first = joined[0]!.context;
    this.#failures = failures;
  }

  /** The attempts of a batch begin together, so their signals abort together. */
  get signal(): AbortSignal {
    return this.#first.signal;
  }

  get subscription(): HandlerContext['subscription'] {
    return this.#first.subscription;
  }

  get engine(): string {
    return this.#first.engine;
  }

  fail(event: Event, error: unknown): void {
    this.#contextOf(event);
    this.#failures.set(event, error);
  }

  attemptOf(event: Event): number {
    return this.#contextOf(event).attempt;
  }

  end(): void {
    this.#contexts.clear();
  }

  #contextOf(event: Event): HandlerContext {
    const context = this.#contexts.get(event);
    if (context !== undefined) return context;
    throw new InvalidOptionError('event', event, 'an event of this batch, while its handler runs');
  }
}

/** The call of a batch handler, as a node of the wait graph. It has no event, because the handler handles several events. */
class BatchWork implements Work {
  readonly queue: DeliveryOwner;
  state: DeliveryState = 'running';
  readonly isWritingDeadLetter = false;
  readonly event = undefined;
  waits = 0;

  constructor(queue: DeliveryOwner) {
    this.queue = queue;
  }
}
