import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Duration } from '@polybus/core';
import type { DeliveryDefaults } from '@polybus/core/engine';
import type { DeliveryOptions } from '@polybus/core/engine-kit';
import type { CheckpointStore } from '../stores/checkpoint-store.ts';
import type { CheckpointStoreConfig, FileStoreConfig, RedisStoreConfig } from './store-config.ts';

/** The configuration of the Kinesis engine. */
export interface KinesisConfig extends DeliveryOptions {
  /** The stream that carries all topics. Default `eventbus`. */
  readonly streamName?: string | undefined;
  /** The AWS region. Default: the region that the SDK finds (`AWS_REGION`, profile); with `endpoint` and no other region, `us-east-1`. */
  readonly region?: string | undefined;
  /** The address of a server such as LocalStack, `http://` or `https://`. Default: AWS. */
  readonly endpoint?: string | undefined;
  /** Another name of `endpoint`. If both are set, `endpoint` applies. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerURL?: string | undefined;
  /** The access key. Default: the SDK's provider chain (environment, profile, role of the container or instance). */
  readonly accessKeyId?: string | undefined;
  /** The secret of `accessKeyId`. */
  readonly secretAccessKey?: string | undefined;
  /** The token of temporary credentials. */
  readonly sessionToken?: string | undefined;
  /** Another name of `accessKeyId`. If both are set, `accessKeyId` applies. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerUser?: string | undefined;
  /** Another name of `secretAccessKey`. If both are set, `secretAccessKey` applies. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerPassword?: string | undefined;
  /** The number of shards of a stream that the engine creates. Default 1. */
  readonly shardCount?: number | undefined;
  /** Whether the engine creates the stream in on-demand mode instead of with `shardCount`. Default false. */
  readonly onDemand?: boolean | undefined;
  /** Your own client. The engine does not close it, and ignores `region`, `endpoint` and the credentials. */
  readonly client?: KinesisClient | undefined;
  /** Time between two reads of an idle shard. Default 1 s. */
  readonly pollInterval?: Duration | undefined;
  /** Maximum reads of each shard per second by this process. AWS allows 5, over all readers. Default 5. */
  readonly readsPerSecond?: number | undefined;
  /** Maximum records per read, 1 to 10 000. Default 1000. */
  readonly maxRecordsPerRead?: number | undefined;
  /** Timeout of one call to Kinesis, in milliseconds. Default 5000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Timeout of a publish with its retries, in milliseconds. Set it to several times `requestTimeoutMs`, to leave time for retries. Default 30 000. */
  readonly publishTimeoutMs?: number | undefined;
  /** Packs waiting events of the same key into one record, as the Kinesis Producer Library does. Default false. */
  readonly aggregate?: boolean | undefined;
  /** The topic of records that are not CloudEvents. Default: the name of the stream. */
  readonly foreignTopic?: string | undefined;
  /** The store of the checkpoints and leases of consumer groups. Without it, the engine has no groups. */
  readonly checkpointStore?: CheckpointStoreConfig | CheckpointStore | undefined;
  /** The duration of a lease. If a member of a group does not renew its leases within this time, other members take its shards. In milliseconds. Default 6000. */
  readonly leaseDurationMs?: number | undefined;
  /** How often a member of a group writes its checkpoints and renews its leases, in milliseconds. Default 1000. */
  readonly checkpointIntervalMs?: number | undefined;
}

/** The configuration with every default filled in; durations in milliseconds. */
export interface KinesisOptions {
  readonly streamName: string;
  readonly connection: ConnectionOptions;
  readonly shardCount: number;
  readonly onDemand: boolean;
  readonly pollIntervalMs: number;
  readonly readsPerSecond: number;
  readonly maxRecordsPerRead: number;
  readonly requestTimeoutMs: number;
  readonly publishTimeoutMs: number;
  readonly aggregate: boolean;
  readonly foreignTopic: string;
  /** Undefined if none is configured: the engine has no groups. */
  readonly store: StoreOptions | undefined;
  readonly leaseDurationMs: number;
  readonly checkpointIntervalMs: number;
  readonly delivery: DeliveryDefaults;
}

/** The address and the credentials of an AWS service. What is undefined is what the SDK finds. */
export interface AwsAddress {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly credentials: Credentials | undefined;
}

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** How the engine creates its client. */
export interface ConnectionOptions extends AwsAddress {
  readonly client: KinesisClient | undefined;
}

/** A store of the application or of the engine's own, or how to create one when the engine starts. */
export type StoreOptions =
  | CheckpointStore
  | FileStoreConfig
  | RedisStoreConfig
  | { readonly type: 'dynamodb'; readonly tableName: string | undefined; readonly address: AwsAddress };

declare module '@polybus/core' {
  interface EngineTypes {
    readonly kinesis: KinesisConfig;
  }
}
