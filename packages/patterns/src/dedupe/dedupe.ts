import { randomUUID } from 'node:crypto';
import { type Event, type HandlerContext, InvalidOptionError, type Logger } from '@polybus/core';
import { type OptionNames, assertOptionNames, timerMs } from '@polybus/core/engine-kit';
import { type PatternHandler, assertHandler } from '../pattern-handler.ts';
import { lendingWorker, sleep } from '../wait.ts';
import type { DedupeStore } from './dedupe-store.ts';

/** Options of {@link dedupe}. */
export interface DedupeOptions {
  readonly store: DedupeStore;
  /** How long the id of a handled event is remembered, in milliseconds. Default 24 hours. */
  readonly ttlMs?: number | undefined;
  /**
   * How long a claim outlives a process that dies in the handler, in milliseconds. While the handler runs, the claim is extended.
   * Default 30 000.
   */
  readonly claimMs?: number | undefined;
  /**
   * Handlers with the same scope handle an event once between them. 1 to 200 letters, digits, ".", "_" or "-". Default: the
   * subscription's group, or the subscription itself if it has no group.
   */
  readonly scope?: string | undefined;
  /** Gets a warning when the store fails after the handler has started. Default: the console. */
  readonly logger?: Pick<Logger, 'warn'> | undefined;
}

const optionNames: OptionNames<DedupeOptions> = {
  store: true,
  ttlMs: true,
  claimMs: true,
  scope: true,
  logger: true,
};
const scopeGrammar = /^[A-Za-z0-9._-]{1,200}$/;
const dayMs = 86_400_000;
/** Years are allowed: no timer waits for it. */
const longestTtlMs = 100 * 366 * dayMs;

/** How long a duplicate waits until it asks the store again: at first, and at most. */
const [firstPollMs, lastPollMs] = [50, 1000];

/**
 * Returns a handler that handles each event once per scope: an event with the topic and id of an event that was handled is acknowledged
 * without calling the handler.
 *
 * - A handler that fails is not remembered: its next attempt, or a duplicate, calls it again.
 * - If another attempt has the event, in this process or in another, a duplicate waits until that attempt has ended, and later events of
 *   its key wait too. It then calls the handler if that attempt failed, or if its process died and the claim has expired.
 * - If the store cannot be reached, the attempt fails before the handler is called, and the subscription's `retry` applies.
 *
 * It does not make the effects of the handler and the record of the store one transaction: if the process dies, or the store fails,
 * between them, the handler is called again.
 *
 * @throws {@link InvalidOptionError}, {@link UnknownOptionError} or {@link HandlerRequiredError} if an argument is invalid.
 */
export function dedupe<E extends Event, Result>(
  handler: PatternHandler<E, Result>,
  options: DedupeOptions,
): PatternHandler<E, Promise<Awaited<Result> | undefined>> {
  assertHandler(handler, 'dedupe');
  assertOptionNames('dedupe', options, optionNames);
  const { store, scope, ttlMs = dayMs, logger = console } = options;
  if (typeof store?.claim !== 'function') throw new InvalidOptionError('store', store, 'a DedupeStore');
  if (scope !== undefined && !scopeGrammar.test(scope))
    throw new InvalidOptionError('scope', scope, '1 to 200 letters, digits, ".", "_" or "-"');
  if (!(typeof ttlMs === 'number' && ttlMs > 0 && ttlMs <= longestTtlMs))
    throw new InvalidOptionError('ttlMs', ttlMs, `milliseconds, more than 0 and at most ${longestTtlMs}`);
  const claimMs = timerMs('claimMs', options.claimMs ?? 30_000);
  const warn = (failed: string, { id, topic }: Event, error: unknown): void =>
    logger.warn(`The dedupe store failed: ${failed}`, { topic, eventId: id, error });

  return async (event, context): Promise<Awaited<Result> | undefined> => {
    const key = `${scope ?? scopeOf(context)}:${event.topic}:${event.id}`;
    const owner = randomUUID();
    if (!(await claim(store, key, owner, claimMs, context))) return undefined;
    const extend = (): void => {
      // The attempt is over. The next one waits until the claim expires, but not for a handler that hangs.
      if (context.signal.aborted) return clearInterval(extending);
      void store.extend(key, owner, claimMs).catch((error: unknown) => {
        warn(
          'if the handler runs on and the claim expires, another member can handle the event',
          event,
          error,
        );
      });
    };
    const extending = setInterval(extend, claimMs / 3).unref();
    let result: Awaited<Result>;
    try {
      result = await handler(event, context);
    } catch (error) {
      clearInterval(extending);
      await store.release(key, owner).catch((reason: unknown) => {
        warn('the next attempt waits until the claim of the failed one has expired', event, reason);
      });
      throw error;
    }
    clearInterval(extending);
    // The event was handled. To fail the attempt now would certainly handle it twice.
    await store.complete(key, owner, ttlMs).catch((error: unknown) => {
      warn('a duplicate of the event will be handled again', event, error);
    });
    return result;
  };
}

function scopeOf({ subscription }: HandlerContext): string {
  return subscription.group ?? subscription.id;
}

/** Resolves with true once the caller has the claim, or false once the event was handled. */
async function claim(
  store: DedupeStore,
  key: string,
  owner: string,
  claimMs: number,
  context: HandlerContext,
): Promise<boolean> {
  for (let pollMs = firstPollMs; ; pollMs = Math.min(2 * pollMs, lastPollMs)) {
    const claimed = await store.claim(key, owner, claimMs);
    if (claimed !== 'busy') return claimed === 'claimed';
    await lendingWorker(sleep(pollMs, context.signal));
  }
}
