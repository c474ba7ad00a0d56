import { backoffMs } from '@polybus/core/engine-kit';
import { callError, isPermanent } from '../errors.ts';
import type { KinesisApi } from './kinesis-api.ts';

const initialBackoffMs = 100;
const maxBackoffMs = 2000;
/** Longer than a deployment takes in which every process subscribes to the same shard, at five iterators per second. */
const retryTimeoutMs = 30_000;

/**
 * Makes a call that a subscription needs, and retries it if it is throttled or fails for another temporary reason: one bad moment must not
 * fail a subscription.
 *
 * @param what - What the call does, as in "list the shards".
 * @throws {@link KinesisConnectionError} if the time is over, the engine stops, or a retry cannot succeed.
 */
export async function retried<T>(api: KinesisApi, what: string, call: () => Promise<T>): Promise<T> {
  const until = performance.now() + retryTimeoutMs;
  for (let failures = 1; ; failures++) {
    try {
      return await call();
    } catch (error) {
      const delay = backoffMs(failures, initialBackoffMs, maxBackoffMs);
      if (api.isClosed || isPermanent(error) || performance.now() + delay > until)
        throw callError(what, error);
      await api.sleep(delay);
    }
  }
}
