import type { StartOptions } from '../types.ts';

/** Options of `startKinesis`. */
export interface StartKinesisOptions extends StartOptions {
  /**
   * Environment of the emulator, such as `{ SHARD_LIMIT: '200' }`; kinesis-local's names. LocalStack hands on
   * those that it knows under `KINESIS_` names of its own.
   */
  readonly env?: Readonly<Record<string, string>>;
}
