import type { EngineHost } from '../contract/engine.ts';
import type { CancellableSubscription } from './engine-subscription.ts';

/**
 * Logs a warning if an engine runs fewer handlers than a subscription asks for, now or after a change of its concurrency.
 *
 * @param given - The concurrency that it was made with.
 * @param workerCount - The number of handlers that the engine runs at once.
 */
export function warnOfWorkerCount(
  { topic, group, isAsync, flow }: CancellableSubscription,
  given: number,
  workerCount: number,
  { name, logger }: EngineHost,
): void {
  let warnedOf = workerCount;
  const flowChanged = (): void => {
    const { concurrency = given } = flow;
    if (!isAsync || concurrency <= warnedOf) return;
    warnedOf = concurrency;
    logger.warn(
      `the subscription to "${topic}" has a concurrency of ${concurrency}, but at most ${workerCount} handlers run at once: the ` +
        `workerCount of the engine "${name}" limits all its async subscriptions together. Raise workerCount`,
      { engine: name, topic, group, concurrency, workerCount },
    );
  };
  flow.follow({ flowChanged });
  flowChanged();
}
