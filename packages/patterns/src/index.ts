export { type CircuitBreakerOptions, circuitBreaker } from './circuit-breaker/circuit-breaker.ts';
export type { CircuitState } from './circuit-breaker/circuit.ts';
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
export type { PatternHandler } from './pattern-handler.ts';
export {
  type RequestFailure,
  RequestFailedError,
  RequestTimeoutError,
  RequestsClosedError,
} from './errors.ts';
export type { PatternBus } from './pattern-bus.ts';
export { createRequests } from './requests/create-requests.ts';
export type {
  ReplyHandler,
  ReplyOf,
  ReplyOptions,
  RequestMap,
  RequestOf,
  RequestOptions,
  RequestStats,
  RequestTopic,
  Requests,
  RequestsOptions,
} from './requests/requests.ts';
export { type RateLimitOptions, rateLimit } from './rate-limit.ts';
export { type Forwarding, type ForwardOptions, type ForwardStats, forward } from './forward.ts';
