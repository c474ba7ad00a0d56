export { RedisCommandError, RedisConnectionError } from './errors.ts';
export {
  type RedisClient,
  type RedisConfig,
  type RedisMode,
  type RedisStreamsConfig,
  configSchemas,
} from './options/options.ts';
export { engines, redisEngine } from './redis-engine.ts';
