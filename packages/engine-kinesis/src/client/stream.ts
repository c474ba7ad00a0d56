import type { StreamDescriptionSummary } from '@aws-sdk/client-kinesis';
import type { Logger } from '@polybus/core';
import { backoffMs } from '@polybus/core/engine-kit';
import { isPermanent, isThrottle, messageOf, nameOf } from '../errors.ts';
import type { KinesisApi } from './kinesis-api.ts';
import type { KinesisOptions } from '../options/config.ts';
import type { InterruptibleSleep } from './interruptible-sleep.ts';

/** Distinguishes a stream from others of the same name. */
export interface StreamId {
  /** Contains the account and the region; the name if the server does not tell. */
  readonly arn: string;
  /** When the stream was created, as an ISO time: another stream has the ARN after this one is deleted. */
  readonly createdAt: string;
}

/** The properties of the stream that the engine uses. */
export interface OpenStream {
  readonly id: StreamId;
  readonly maxRecordBytes: number;
}

/** How long a stream may take until it is active, in milliseconds. */
const activationTimeoutMs = 120_000;
const minPauseMs = 50;
const maxPauseMs = 2000;
/** The smallest maximum record size that a stream can have (UpdateMaxRecordSize, "MaxRecordSizeInKiB"), and the default. In bytes. */
export const minRecordLimit: number = 1024 * 1024;

/**
 * Creates the stream if there is none, and waits until it is active.
 *
 * @param sleep - Wake it to give up.
 */
export async function openStream(
  api: KinesisApi,
  options: KinesisOptions,
  logger: Logger,
  sleep: InterruptibleSleep,
  isStopped: () => boolean,
): Promise<OpenStream> {
  const until = performance.now() + activationTimeoutMs;
  let [round, failures] = [0, 0];
  let hasWarned = false;
  /** The error of the last round; undefined if it did not fail. */
  let lastError: unknown;
  for (;;) {
    try {
      const stream = await api.describe();
      failures = 0;
      if (stream === undefined) await create(api, options, logger);
      else if (stream.StreamStatus === 'ACTIVE' || stream.StreamStatus === 'UPDATING') {
        return {
          id: { arn: stream.StreamARN ?? options.streamName, createdAt: createdAtOf(stream) },
          maxRecordBytes: maxRecordBytesOf(stream),
        };
      }
      lastError = undefined;
    } catch (error) {
      if (isPermanent(error) || (!isThrottle(error) && ++failures >= 3)) throw error;
      const fields = { streamName: options.streamName, error: messageOf(error) };
      // The retries can take two minutes, and a limit of the account is not temporary.
      if (!hasWarned) logger.warn('the stream could not be opened; the engine tries again', fields);
      else logger.debug?.('the stream could not be opened; the engine tries again', fields);
      hasWarned = true;
      lastError = error;
    }
    if (isStopped()) throw new Error('the engine was stopped while it started');
    if (performance.now() > until)
      throw lastError ?? new Error(`the stream is not active after ${activationTimeoutMs} ms`);
    // DescribeStreamSummary: 20 times per second for the whole account.
    await sleep.sleep(minPauseMs + backoffMs(++round, minPauseMs, maxPauseMs));
    if (isStopped()) throw new Error('the engine was stopped while it started');
  }
}

/** The largest record that a stream takes, in bytes. */
export function maxRecordBytesOf({ MaxRecordSizeInKiB }: StreamDescriptionSummary): number {
  return MaxRecordSizeInKiB === undefined ? minRecordLimit : MaxRecordSizeInKiB * 1024;
}

/** When a stream was created, as an ISO time; empty if the server does not return it. */
export function createdAtOf({ StreamCreationTimestamp }: StreamDescriptionSummary): string {
  return StreamCreationTimestamp?.toISOString() ?? '';
}

async function create(api: KinesisApi, options: KinesisOptions, logger: Logger): Promise<void> {
  const { streamName, shardCount, onDemand } = options;
  try {
    await api.createStream(onDemand ? undefined : shardCount);
    logger.info?.('created the stream', { streamName });
  } catch (error) {
    // Another process creates it at the same time.
    if (nameOf(error) !== 'ResourceInUseException') throw error;
  }
}
