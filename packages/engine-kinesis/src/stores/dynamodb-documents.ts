import type * as sdk from '@aws-sdk/client-dynamodb';
import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';

/** The commands that the store sends. The engine imports the package only if its configuration names the store. */
export type DynamoDBCommands = Pick<
  typeof sdk,
  'CreateTableCommand' | 'DescribeTableCommand' | 'GetItemCommand' | 'PutItemCommand'
>;

/** Keeps checkpoints in DynamoDB, with one item per group. */
export class DynamoDBDocuments implements CheckpointStore {
  readonly isShared = true;
  readonly #client: sdk.DynamoDBClient;
  readonly #commands: DynamoDBCommands;
  readonly #table: string;

  constructor(client: sdk.DynamoDBClient, commands: DynamoDBCommands, tableName = 'polybus-kinesis') {
    this.#client = client;
    this.#commands = commands;
    this.#table = tableName;
  }

  /** Creates the table with on-demand billing if it does not exist, and waits until it is active. */
  async createTable(signal?: AbortSignal): Promise<void> {
    const command = new this.#commands.CreateTableCommand({
      TableName: this.#table,
      AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    await this.#client.send(command).catch((error: Error) => {
      if (error.name !== 'ResourceInUseException') throw error;
    });
    const describe = new this.#commands.DescribeTableCommand({ TableName: this.#table });
    while ((await this.#client.send(describe)).Table?.TableStatus !== 'ACTIVE') {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async read(name: string): Promise<StoredDocument | undefined> {
    const command = new this.#commands.GetItemCommand({
      TableName: this.#table,
      Key: { name: { S: name } },
      ConsistentRead: true,
    });
    const { Item } = await this.#client.send(command);
    const [version, text] = [Item?.['version']?.S, Item?.['text']?.S];
    return version === undefined || text === undefined ? undefined : { version: Number(version), text };
  }

  async replace(name: string, { version, text }: StoredDocument): Promise<boolean> {
    const command = new this.#commands.PutItemCommand({
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
