import { onAbort } from '../../engine-kit/on-abort.ts';
import type { DeliveryQueue } from '../delivery-queue.ts';

/**
 * Waits until nothing runs or waits in any of the queues, except a handler that makes this call.
 *
 * @returns False if the timeout passed or the signal aborted first.
 */
export async function drainQueues(
  queues: Iterable<DeliveryQueue>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let giveUp: (() => void) | undefined;
  const givenUp = new Promise<false>((resolve) => (giveUp = () => resolve(false)));
  const timer = setTimeout(giveUp!, timeoutMs);
  const unlink = onAbort(signal, giveUp!);
  try {
    for (;;) {
      const busy = [...queues].filter((queue) => queue.unsettled > 0);
      const waits = busy
        .map((queue) => [queue, queue.beginWait()] as const)
        .filter(([, end]) => end !== false);
      if (waits.length === 0) return true;
      const idle = Promise.all(waits.map(([queue]) => queue.whenIdle())).then(() => true as const);
      const wentIdle = await Promise.race([idle, givenUp]);
      for (const [, end] of waits) if (typeof end === 'function') end();
      // A handler may have published to another queue meanwhile, so check again.
      if (!wentIdle) return false;
    }
  } finally {
    clearTimeout(timer);
    unlink();
  }
}
