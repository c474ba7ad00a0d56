import { callError, isPermanent } from '../errors.ts';
import type { KinesisApi } from './kinesis-api.ts';
import { backoffMs } from '../pause.ts';

const initialBackoffMs = 100;
const maxBackoffMs = 2000;
/** Longer than a deployment takes whose processes all subscribe to the same shard, at five iterators per second. */
const patienceMs = 30_000;

/**
 * Makes a call that a subscription needs, again and again where it is throttled or fails for another reason that passes: a subscription
 * that was asked for is not to depend on one bad moment.
 *
 * @param what - What is asked for, as in "cannot list the shards".
 * @throws {@link KinesisConnectionError} where the time is over, the engine stops, or trying again is of no use.
 */
export async function patiently<T>(api: KinesisApi, what: string, call: () => Promise<T>): Promise<T> {
  const until = performance.now() + patienceMs;
  for (let failures = 1; ; failures++) {
    try {
      return await call();
    } catch (error) {
      const delay = backoffMs(failures, initialBackoffMs, maxBackoffMs);
      if (api.isClosed || isPermanent(error) || performance.now() + delay > until)
        throw callError(what, error);
      await api.rest(delay);
    }
  }
}
