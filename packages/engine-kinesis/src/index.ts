export type { CheckpointStore, StoredDocument } from './stores/checkpoint-store.ts';
export { InvalidShardCountError, KinesisConnectionError } from './errors.ts';
export { engines, kinesisEngine } from './kinesis-engine.ts';
export { MemoryCheckpointStore } from './stores/memory-store.ts';
export type { KinesisConfig } from './options/config.ts';
export type {
  CheckpointStoreConfig,
  DynamoDBStoreConfig,
  FileStoreConfig,
  MemoryStoreConfig,
  RedisStoreConfig,
} from './options/store-config.ts';
export { configSchemas } from './options/options.ts';
