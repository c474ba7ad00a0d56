import { MemoryCheckpointStore } from '../src/index.ts';

const stores = new Map<string, MemoryCheckpointStore>();

/** The store that engines share which stand for the processes of one deployment. */
export function storesById(id: string): MemoryCheckpointStore {
  let store = stores.get(id);
  if (store === undefined) stores.set(id, (store = new MemoryCheckpointStore()));
  return store;
}
