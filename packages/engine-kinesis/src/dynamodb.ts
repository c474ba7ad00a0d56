export { DynamoDBCheckpointStore, type DynamoDBCheckpointStoreOptions } from './dynamodb-store.ts';
