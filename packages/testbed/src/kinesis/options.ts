import type { StartOptions } from '../types.ts';

/** Options of `startKinesis`. */
export interface StartKinesisOptions extends StartOptions {
  /**
   * Environment of the emulator with the names of kinesis-local, such as `{ SHARD_LIMIT: '200' }`. LocalStack passes on the variables that
   * it knows under its own `KINESIS_` names.
   */
  readonly env?: Readonly<Record<string, string>>;
}
