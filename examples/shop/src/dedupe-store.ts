import { type DedupeStore, MemoryDedupeStore, RedisDedupeStore } from '@polybus/patterns';
import { Redis } from 'ioredis';

/** Opens the store of the handled events: in Redis, which all processes of the shop share, or else in the memory of this process. */
export function openDedupeStore(url: string | undefined): { store: DedupeStore; close: () => void } {
  if (url === undefined) return { store: new MemoryDedupeStore(), close: () => {} };
  const client = new Redis(url);
  return { store: new RedisDedupeStore(client), close: () => client.disconnect() };
}
