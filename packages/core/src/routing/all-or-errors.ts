/**
 * Waits until all promises have settled.
 *
 * @returns The results.
 * @throws The error if all failures have the same one; otherwise an `AggregateError` with all errors.
 */
export async function allOrErrors<T>(work: readonly Promise<T>[], message: string): Promise<T[]> {
  const results = await Promise.allSettled(work);
  const errors = results
    .filter((result) => result.status === 'rejected')
    .map(({ reason }): unknown => reason);
  // A common cause, such as the reason of one signal that aborted all calls, is one error.
  if (new Set(errors).size === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} ${message}`);
  return results.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
}
