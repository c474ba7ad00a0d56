import type { EventHandler } from '../contract/bus.ts';
import type { BatchPolicy } from './batch/batching.ts';
import type { RetryPolicy } from '../contract/retry.ts';

/** How one subscription wants its events handled; every default is filled in. */
export interface DeliveryPolicy {
  readonly handler: EventHandler<never>;
  readonly isAsync: boolean;
  readonly group: string | undefined;
  /** Events of others are not for this subscription. */
  readonly tenant: string | undefined;
  readonly concurrency: number;
  /** Undefined unless events are handled in batches, one batch at a time. */
  readonly batch: BatchPolicy | undefined;
  readonly bufferSize: number;
  readonly retry: RetryPolicy;
  readonly handlerTimeoutMs: number | undefined;
  /** An event that waited longer than this for its first attempt, in milliseconds, is dropped instead of handled. */
  readonly ttlMs: number | undefined;
}
