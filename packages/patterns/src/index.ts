export { type DedupeOptions, dedupe } from './dedupe/dedupe.ts';
export type { ClaimResult, DedupeStore } from './dedupe/dedupe-store.ts';
export { MemoryDedupeStore } from './dedupe/memory-dedupe-store.ts';
export {
  type IoredisClient,
  type NodeRedisClient,
  RedisDedupeStore,
  type RedisDedupeStoreOptions,
} from './dedupe/redis-dedupe-store.ts';
export { SqlDedupeStore, type SqlDedupeStoreOptions, type SqlQuery } from './dedupe/sql-dedupe-store.ts';
export type { PatternHandler } from './options.ts';
