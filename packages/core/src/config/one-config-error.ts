import { InvalidConfigError } from '../errors.ts';

/** One error for all: the one where there is one, else one that lists the problems of each. */
export function oneConfigError(errors: readonly InvalidConfigError[]): InvalidConfigError {
  return errors.length === 1
    ? errors[0]!
    : new InvalidConfigError(errors.flatMap(({ problems }) => problems));
}
