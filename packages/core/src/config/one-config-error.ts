import { InvalidConfigError } from '../errors/config-errors.ts';
import { problemsOf } from '../errors/config-problems.ts';
import type { PolybusError } from '../errors/polybus-error.ts';

/** One error for all: the one where there is one, else one that lists the problems of each. */
export function oneConfigError(errors: readonly PolybusError[]): PolybusError {
  return errors.length === 1
    ? errors[0]!
    : new InvalidConfigError(errors.flatMap((error) => problemsOf(error, 'config') ?? []));
}
