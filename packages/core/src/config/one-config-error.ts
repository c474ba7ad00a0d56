import { InvalidConfigError, type PolybusError } from '../errors/errors.ts';
import { problemsOf } from './own-config.ts';

/** One error for all: the one where there is one, else one that lists the problems of each. */
export function oneConfigError(errors: readonly PolybusError[]): PolybusError {
  return errors.length === 1
    ? errors[0]!
    : new InvalidConfigError(errors.flatMap((error) => problemsOf(error, 'config') ?? []));
}
