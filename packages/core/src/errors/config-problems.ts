import { type ConfigProblem, InvalidConfigError } from './config-errors.ts';
import { PolybusError } from './polybus-error.ts';

/**
 * Returns the configuration problems that an error lists; undefined if it is not an error of polybus. It checks the brand of the
 * error, not its class, because an engine may use another copy of core.
 */
export function problemsOf(error: unknown, path: string): readonly ConfigProblem[] | undefined {
  if (!PolybusError.is(error)) return undefined;
  const { problems } = error as Partial<InvalidConfigError>;
  // An error of another class, such as `UnknownEngineTypeError`, is one problem.
  return problems ?? [{ path, message: error.message }];
}

/** One error for several: the only one, or an error that lists the problems of all. */
export function oneConfigError(errors: readonly PolybusError[]): PolybusError {
  return errors.length === 1
    ? errors[0]!
    : new InvalidConfigError(errors.flatMap((error) => problemsOf(error, 'config') ?? []));
}
