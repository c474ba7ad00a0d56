import type { Logger } from '@polybus/core';
import type * as DynamoDB from '@aws-sdk/client-dynamodb';
import type * as IORedis from 'ioredis';
import { importFailure, orAborted } from '@polybus/core/engine-kit';
import { nameOf, storeError } from '../errors.ts';
import type { KinesisOptions, StoreOptions } from '../options/config.ts';
import { type RedisStoreConfig, isStore } from '../options/store-config.ts';
import type { CheckpointStore } from '../stores/checkpoint-store.ts';
import { DynamoDBDocuments } from '../stores/dynamodb-documents.ts';
import { FileCheckpointStore } from '../stores/file-store.ts';
import { RedisCheckpointStore } from '../stores/redis-store.ts';
import { awsClientSettings } from './aws-client.ts';

/** The checkpoint store of an engine that is started. */
export interface OpenStore {
  readonly store: CheckpointStore;
  /** Closes the connection, if the engine has made it. */
  close(): void;
}

/**
 * Creates the checkpoint store that is configured.
 *
 * @throws {@link MissingPackageError} if the package of its client is not installed.
 * @throws {@link KinesisConnectionError} if it cannot be reached or created.
 */
export async function openStore(
  options: KinesisOptions,
  logger: Logger,
  signal: AbortSignal,
): Promise<OpenStore | undefined> {
  const { store } = options;
  if (store === undefined) return undefined;
  if (isStore(store)) return { store, close: () => {} };
  if (store.type === 'file') return { store: new FileCheckpointStore(store.folder), close: () => {} };
  // A group gives up a call after half of a lease.
  const timeoutMs = Math.min(options.requestTimeoutMs, options.leaseDurationMs / 2);
  return store.type === 'redis'
    ? openRedis(store, timeoutMs, signal)
    : openDynamoDB(store, timeoutMs, logger, signal);
}

async function openRedis(
  { url, username, password, keyPrefix }: RedisStoreConfig,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<OpenStore> {
  const { Redis } = await load<typeof IORedis>('ioredis', 'A checkpoint store of type "redis"');
  const address = new URL(url);
  // The setters do not encode a percent sign.
  if (username !== undefined) address.username = encodeURIComponent(username);
  if (password !== undefined) address.password = encodeURIComponent(password);
  let wasReady = false;
  const client = new Redis(address.href, {
    lazyConnect: true,
    connectionName: 'polybus-kinesis',
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    // The group makes the call again.
    autoResendUnfulfilledCommands: false,
    // Until the client has connected once, it gives up at once: the configuration may be wrong.
    retryStrategy: (times) => (wasReady ? Math.min(times * 100, 2000) : null),
  });
  client.once('ready', () => (wasReady = true));
  let lastError: unknown;
  // Without a listener, the client writes its errors to the console. Each command that fails reports the error.
  client.on('error', (error) => (lastError = error));
  const close = (): void => client.disconnect();
  try {
    await orAborted(client.connect(), signal);
  } catch (error) {
    close();
    throw storeError(signal.aborted ? error : (lastError ?? error));
  }
  return { store: new RedisCheckpointStore(client, { keyPrefix }), close };
}

async function openDynamoDB(
  { tableName, address }: Extract<StoreOptions, { readonly type: 'dynamodb' }>,
  timeoutMs: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<OpenStore> {
  const sdk = await load<typeof DynamoDB>(
    '@aws-sdk/client-dynamodb',
    'A checkpoint store of type "dynamodb"',
  );
  const client = new sdk.DynamoDBClient(awsClientSettings(address, timeoutMs));
  const store = new DynamoDBDocuments(client, sdk, tableName);
  const close = (): void => client.destroy();
  try {
    await orAborted(ensureTable(store, logger, signal), signal);
  } catch (error) {
    close();
    throw storeError(error);
  }
  return { store, close };
}

/** Creates the table only if it does not exist, because many applications may not ask about tables. */
async function ensureTable(store: DynamoDBDocuments, logger: Logger, signal: AbortSignal): Promise<void> {
  try {
    await store.read('any');
  } catch (error) {
    if (nameOf(error) !== 'ResourceNotFoundException') throw error;
    await store.createTable(signal);
    logger.info?.('created the table of the checkpoint store');
  }
}

/** Imports an optional package. Bundlers do not follow this import, so that a program can be bundled without the package. */
async function load<Package>(name: string, purpose: string): Promise<Package> {
  try {
    return (await import(name)) as Package;
  } catch (cause) {
    throw importFailure(cause, name, purpose);
  }
}
