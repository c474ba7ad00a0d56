export { RedisConnectionError } from './errors.ts';
export type { RedisClient, RedisConfig, RedisMode } from './options.ts';
export { engines, redisEngine } from './redis-engine.ts';
