import { MemoryCheckpointStore } from '../../src/index.ts';

const stores = new Map<string, MemoryCheckpointStore>();

/** Returns the store of a deployment, which its engines share as processes would share one. */
export function storesById(id: string): MemoryCheckpointStore {
  let store = stores.get(id);
  if (store === undefined) stores.set(id, (store = new MemoryCheckpointStore()));
  return store;
}
