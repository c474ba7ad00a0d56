import type { ConfigProblem, InvalidConfigError } from './config-errors.ts';
import { PolybusError } from './polybus-error.ts';

/**
 * The problems of a configuration that an error lists; undefined if the error is not one of ours. The check is by the mark of our
 * errors, not by class: an engine may come with a copy of core of its own.
 */
export function problemsOf(error: unknown, path: string): readonly ConfigProblem[] | undefined {
  if (!PolybusError.is(error)) return undefined;
  const { problems } = error as Partial<InvalidConfigError>;
  // An error of another class, such as that of an unknown engine type, is one problem.
  return problems ?? [{ path, message: error.message }];
}
