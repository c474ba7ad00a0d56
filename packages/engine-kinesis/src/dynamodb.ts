export { DynamoDBCheckpointStore, type DynamoDBCheckpointStoreOptions } from './stores/dynamodb-store.ts';
