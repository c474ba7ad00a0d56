/**
 * Counts down a time in milliseconds, on the monotonic clock.
 *
 * @returns A function that returns the remaining time in whole milliseconds; 0 once it is over.
 */
export function countdown(milliseconds: number): () => number {
  const end = performance.now() + milliseconds;
  return () => Math.max(0, Math.round(end - performance.now()));
}
