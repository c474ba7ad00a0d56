import * as sdk from '@aws-sdk/client-dynamodb';
import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';
import { DynamoDBDocuments } from './dynamodb-documents.ts';

/** Options of {@link DynamoDBCheckpointStore}. */
export interface DynamoDBCheckpointStoreOptions {
  /** The name of a table whose partition key is the string `name`. Default `polybus-kinesis`. */
  readonly tableName?: string | undefined;
}

/** Keeps checkpoints in DynamoDB, with one item per group. The store does not close the client. */
export class DynamoDBCheckpointStore implements CheckpointStore {
  readonly isShared = true;
  readonly #documents: DynamoDBDocuments;

  constructor(client: sdk.DynamoDBClient, { tableName }: DynamoDBCheckpointStoreOptions = {}) {
    this.#documents = new DynamoDBDocuments(client, sdk, tableName);
  }

  /** Creates the table with on-demand billing if it does not exist, and waits until it is active. */
  createTable(): Promise<void> {
    return this.#documents.createTable();
  }

  read(name: string): Promise<StoredDocument | undefined> {
    return this.#documents.read(name);
  }

  replace(name: string, document: StoredDocument): Promise<boolean> {
    return this.#documents.replace(name, document);
  }
}
