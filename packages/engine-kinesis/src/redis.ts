export { RedisCheckpointStore, type RedisCheckpointStoreOptions, type RedisCommands } from './redis-store.ts';
