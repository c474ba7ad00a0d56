import type { Shard, StreamDescriptionSummary } from '@aws-sdk/client-kinesis';
import type { Logger } from '@polybus/core';
import { isPermanent, isThrottle, messageOf, nameOf } from '../errors.ts';
import type { KinesisApi } from './kinesis-api.ts';
import type { KinesisOptions } from '../options/options.ts';
import { type Pause, backoffMs } from '../pause.ts';

/** What the engine needs to know of its stream. */
export interface OpenStream {
  /** When it was created, which tells it from another one of the same name. */
  readonly createdAt: string;
  readonly maxRecordBytes: number;
}

/** How long a stream may take until it is active. */
const patienceMs = 120_000;
const defaultMaxRecordKiB = 1024;

/**
 * Creates the stream where there is none, and waits until it is active.
 *
 * @param pause - Waken it to give up.
 */
export async function openStream(
  api: KinesisApi,
  options: KinesisOptions,
  logger: Logger,
  pause: Pause,
  isGivenUp: () => boolean,
): Promise<OpenStream> {
  const until = performance.now() + patienceMs;
  let [round, failures] = [0, 0];
  let hasWarned = false;
  /** What the last round failed with, if it failed. */
  let lastError: unknown;
  for (;;) {
    try {
      const stream = await api.describe();
      failures = 0;
      if (stream === undefined) await create(api, options, logger);
      else if (stream.StreamStatus === 'ACTIVE' || stream.StreamStatus === 'UPDATING') {
        return {
          createdAt: createdAtOf(stream),
          maxRecordBytes: (stream.MaxRecordSizeInKiB ?? defaultMaxRecordKiB) * 1024,
        };
      }
      lastError = undefined;
    } catch (error) {
      if (isPermanent(error) || (!isThrottle(error) && ++failures >= 3)) throw error;
      const about = { streamName: options.streamName, error: messageOf(error) };
      // It may be tried for two minutes, and a limit of the account does not pass.
      if (!hasWarned) logger.warn('the stream could not be opened and is tried again', about);
      else logger.debug?.('the stream could not be opened and is tried again', about);
      hasWarned = true;
      lastError = error;
    }
    if (isGivenUp()) throw new Error('starting was given up');
    if (performance.now() > until)
      throw lastError ?? new Error(`the stream is not active after ${patienceMs} ms`);
    // DescribeStreamSummary: 20 times per second for the whole account.
    await pause.wait(Math.min(1000, 50 * 1.5 ** round++) + backoffMs(1, 50, 50));
    if (isGivenUp()) throw new Error('starting was given up');
  }
}

/** When a stream was created, as an ISO time; empty where the server does not tell. */
export function createdAtOf({ StreamCreationTimestamp }: StreamDescriptionSummary): string {
  return StreamCreationTimestamp?.toISOString() ?? '';
}

async function create(api: KinesisApi, options: KinesisOptions, logger: Logger): Promise<void> {
  const { streamName, shardCount, onDemand } = options;
  try {
    await api.createStream(onDemand ? undefined : shardCount);
    logger.info?.('created the stream', { streamName });
  } catch (error) {
    // Somebody else creates it at the same time.
    if (nameOf(error) !== 'ResourceInUseException') throw error;
  }
}

/** A shard, as far as reading goes. */
export interface ShardInfo {
  readonly id: string;
  /** The shards that it was made of; their records come before its own. */
  readonly parents: readonly string[];
  /** It takes no more records. */
  readonly isClosed: boolean;
}

/** The shards of the stream. */
export async function shardsOf(api: KinesisApi): Promise<ShardInfo[]> {
  return (await api.listShards()).map(infoOf);
}

function infoOf(shard: Shard): ShardInfo {
  return {
    id: shard.ShardId ?? '',
    parents: [shard.ParentShardId, shard.AdjacentParentShardId].filter((id) => id !== undefined),
    isClosed: shard.SequenceNumberRange?.EndingSequenceNumber !== undefined,
  };
}
