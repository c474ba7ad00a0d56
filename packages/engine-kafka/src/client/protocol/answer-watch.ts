import type { Socket } from 'node:net';

/** How long a broker may take for the first answer of all, which needs no work, in milliseconds. Then another broker is tried. */
export const firstAnswerMs = 3000;
/** How long the answer of a rebalance may take in addition to the rebalance, in milliseconds. As in kafkajs. */
export const rebalanceLatencyMs = 5000;
const checkMs = 100;
/** If more time passes between two checks, the process was suspended, and unread answers may be waiting. */
const standstillMs = 1000;

/**
 * Ends a socket that receives nothing for as long as its oldest request may take. Clear the returned interval when the socket ends.
 *
 * @param oldest - The oldest request without an answer. Another one has another identity.
 * @param limitOf - How long its answer may take, in milliseconds.
 */
export function watchAnswers<T>(
  socket: Socket | undefined,
  oldest: () => T | undefined,
  limitOf: (request: T) => number,
): NodeJS.Timeout {
  let last: T | undefined;
  let bytesRead = 0;
  let [since, checkedAt] = [0, performance.now()];
  return setInterval(() => {
    const now = performance.now();
    const first = oldest();
    const isStandstill = now - checkedAt > standstillMs;
    checkedAt = now;
    if (first !== last || socket?.bytesRead !== bytesRead || isStandstill) {
      last = first;
      bytesRead = socket?.bytesRead ?? 0;
      since = now;
    } else if (first !== undefined && now - since > limitOf(first)) {
      // With an error, because the libraries otherwise go on waiting for answers.
      socket?.destroy(new Error(`the broker has not answered for ${limitOf(first)} ms`));
    }
  }, checkMs);
}
