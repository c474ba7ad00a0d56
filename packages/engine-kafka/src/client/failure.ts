/**
 * What went wrong, as far as the engine does one thing or another about it.
 *
 * - `rebalance`: the members of the group join again
 * - `fenced`: this member is no longer in the group
 * - `offset`: there is nothing at this offset
 * - `unknown-topic`: there is no such topic, or no such partition
 * - `too-large`: a record, all of them together, or the metadata of a committed offset
 * - `invalid-record`: a record that the topic does not take, and all that are with it in a batch
 * - `invalid-topic`: the name is refused
 * - `sequence`: the broker has lost count of what an idempotent producer sent
 * - `refused`: the user, the password, or what the user may do
 * - `passing`: trying again may help
 * - `lasting`: it will not
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

/** An error of the client, in terms that do not depend on which client it is. */
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
