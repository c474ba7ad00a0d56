/**
 * Waits for all of it, whatever fails.
 *
 * @returns the results.
 * @throws the one error where all that failed have the same; else an `AggregateError` with all of them.
 */
export async function allOrErrors<T>(work: readonly Promise<T>[], message: string): Promise<T[]> {
  const results = await Promise.allSettled(work);
  const errors = results
    .filter((result) => result.status === 'rejected')
    .map(({ reason }): unknown => reason);
  // One reason, such as that of a signal which gave all of them up, is one error.
  if (new Set(errors).size === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} ${message}`);
  return results.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
}
