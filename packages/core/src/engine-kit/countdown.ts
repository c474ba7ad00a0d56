/**
 * Counts milliseconds down, on the clock that nobody sets.
 *
 * @returns a function that says how many are left, as a whole number; 0 once the time is over.
 */
export function countdown(milliseconds: number): () => number {
  const end = performance.now() + milliseconds;
  return () => Math.max(0, Math.round(end - performance.now()));
}
