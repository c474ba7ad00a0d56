export {
  RedisCheckpointStore,
  type RedisCheckpointStoreOptions,
  type RedisCommands,
} from './stores/redis-store.ts';
