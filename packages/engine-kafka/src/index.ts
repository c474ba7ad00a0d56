export { KafkaConnectionError, KafkaTopicError, RecordTooLargeError } from './errors.ts';
export { type Compression, type ContentMode, type KafkaConfig, configSchemas } from './options/options.ts';
export type { Keyless } from './client/kafkajs/partitioner.ts';
export { engines, kafkaEngine } from './kafka-engine.ts';
