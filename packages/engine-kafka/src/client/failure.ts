/**
 * What went wrong, as far as the engine handles it differently.
 *
 * - `rebalance`: the members of the group have to join again
 * - `fenced`: the member is no longer in the group
 * - `offset`: the partition has no record at this offset
 * - `unknown-topic`: the topic or the partition does not exist
 * - `too-large`: a record, a batch, or the metadata of a committed offset is too large
 * - `invalid-record`: the topic does not accept a record, and with it the whole batch
 * - `invalid-topic`: the name of the topic is refused
 * - `sequence`: the broker has lost the sequence numbers of an idempotent producer
 * - `refused`: wrong credentials, or the user may not do this
 * - `passing`: another attempt may succeed
 * - `lasting`: another attempt will fail, too
 */
export type FailureKind =
  | 'rebalance'
  | 'fenced'
  | 'offset'
  | 'unknown-topic'
  | 'too-large'
  | 'invalid-record'
  | 'invalid-topic'
  | 'sequence'
  | 'refused'
  | 'passing'
  | 'lasting';

/** An error of the client, in terms that do not depend on the client. */
export class KafkaFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'KafkaFailure';
    this.kind = kind;
  }
}

/** True for a failure of one of these kinds. */
export function isFailure(error: unknown, ...kinds: FailureKind[]): error is KafkaFailure {
  return error instanceof KafkaFailure && (kinds.length === 0 || kinds.includes(error.kind));
}
