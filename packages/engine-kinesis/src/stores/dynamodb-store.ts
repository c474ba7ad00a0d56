import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';

/** Options of {@link DynamoDBCheckpointStore}. */
export interface DynamoDBCheckpointStoreOptions {
  /** The name of a table whose partition key is the string `name`. Default `polybus-kinesis`. */
  readonly tableName?: string | undefined;
}

/** Keeps checkpoints in DynamoDB, with one item per group. The store does not close the client. */
export class DynamoDBCheckpointStore implements CheckpointStore {
  readonly isShared = true;
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(
    client: DynamoDBClient,
    { tableName = 'polybus-kinesis' }: DynamoDBCheckpointStoreOptions = {},
  ) {
    this.#client = client;
    this.#table = tableName;
  }

  /** Creates the table with on-demand billing if it does not exist, and waits until it is active. */
  async createTable(): Promise<void> {
    const command = new CreateTableCommand({
      TableName: this.#table,
      AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    await this.#client.send(command).catch((error: Error) => {
      if (error.name !== 'ResourceInUseException') throw error;
    });
    const describe = new DescribeTableCommand({ TableName: this.#table });
    while ((await this.#client.send(describe)).Table?.TableStatus !== 'ACTIVE') {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async read(name: string): Promise<StoredDocument | undefined> {
    const command = new GetItemCommand({
      TableName: this.#table,
      Key: { name: { S: name } },
      ConsistentRead: true,
    });
    const { Item } = await this.#client.send(command);
    const [version, text] = [Item?.['version']?.S, Item?.['text']?.S];
    return version === undefined || text === undefined ? undefined : { version: Number(version), text };
  }

  async replace(name: string, { version, text }: StoredDocument): Promise<boolean> {
    const command = new PutItemCommand({
      TableName: this.#table,
      Item: { name: { S: name }, version: { S: String(version) }, text: { S: text } },
      ...(version === 1
        ? { ConditionExpression: 'attribute_not_exists(version)' }
        : {
            ConditionExpression: 'version = :before',
            ExpressionAttributeValues: { ':before': { S: String(version - 1) } },
          }),
    });
    try {
      await this.#client.send(command);
      return true;
    } catch (error) {
      if ((error as Error).name === 'ConditionalCheckFailedException') return false;
      throw error;
    }
  }
}
