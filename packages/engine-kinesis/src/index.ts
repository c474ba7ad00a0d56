export type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';
export { InvalidShardCountError, KinesisConnectionError, RecordTooLargeError } from './errors.ts';
export { engines, kinesisEngine } from './kinesis-engine.ts';
export { MemoryCheckpointStore } from './memory-store.ts';
export { type KinesisConfig, configSchemas } from './options.ts';
