/** How many commands are on their way at once: enough to share a round trip, and few enough that other commands do not wait long. */
const batchSize = 100;

/** Calls `each` for all items, concurrently for the items of a batch. */
export async function inBatches<T>(all: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += batchSize) await Promise.all(all.slice(i, i + batchSize).map(each));
}
