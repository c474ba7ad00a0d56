/** How many commands are on their way at once: enough that a round trip is shared, and not so many that others wait long. */
const batchSize = 100;

/** Does it for all of them, and for those of a batch at once. */
export async function inBatches<T>(all: readonly T[], each: (one: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += batchSize) await Promise.all(all.slice(i, i + batchSize).map(each));
}
