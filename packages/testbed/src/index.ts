export {
  BrokerControlError,
  BrokerStartError,
  BrokerUnavailableError,
  type FailedProvider,
} from './errors.ts';
export { startKafka } from './kafka/kafka.ts';
export { kafkaTool } from './kafka/local.ts';
export type { KafkaListener, ScramUser, StartKafkaOptions } from './kafka/options.ts';
export { startKinesis } from './kinesis/kinesis.ts';
export type { StartKinesisOptions } from './kinesis/options.ts';
export { freePort } from './machine/ports.ts';
export { startRedis } from './redis/redis.ts';
export type { StartRedisOptions } from './redis/options.ts';
export { BROKER_NAMES, PROVIDERS } from './types.ts';
export type * from './types.ts';
export { guard } from './machine/watchdog.ts';
export { waitFor, WaitTimeoutError, type WaitOptions } from './wait.ts';
