export { KafkaConnectionError, KafkaTopicError } from './errors.ts';
export type { ClientLibrary, Compression, KafkaConfig, Keyless } from './options/config.ts';
export { configSchemas } from './options/options.ts';
export { engines, kafkaEngine } from './kafka-engine.ts';
