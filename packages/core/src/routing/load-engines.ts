import type { Engine } from '../contract/engine.ts';
import { type ConfigProblem, InvalidConfigError } from '../errors/config-errors.ts';
import { problemsOf } from '../errors/config-problems.ts';

/** An engine of a router: it exists already, or the router creates it when it starts. */
export interface RoutedEngine {
  readonly name: string;
  readonly engine: Engine | (() => Promise<Engine>);
}

/**
 * Creates the engines that are configured by their type, one after the other.
 *
 * @throws the error of the engine that could not be created; if the configurations of several have mistakes, one
 *   {@link InvalidConfigError} that lists the problems of all.
 */
export async function loadEngines(
  slots: readonly RoutedEngine[],
  isLoaded: (name: string) => boolean,
  adopt: (name: string, engine: Engine) => void,
): Promise<void> {
  const mistakes: { readonly error: unknown; readonly problems: readonly ConfigProblem[] }[] = [];
  for (const [i, { name, engine }] of slots.entries()) {
    if (typeof engine !== 'function' || isLoaded(name)) continue;
    try {
      adopt(name, await engine());
    } catch (error) {
      const problems = problemsOf(error, `engines[${i}]`);
      if (problems === undefined) throw error;
      mistakes.push({ error, problems });
    }
  }
  if (mistakes.length === 1) throw mistakes[0]!.error;
  if (mistakes.length > 1) throw new InvalidConfigError(mistakes.flatMap(({ problems }) => problems));
}
