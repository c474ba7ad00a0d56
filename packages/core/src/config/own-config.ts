import type { Engine } from '../contract/engine.ts';
import { InvalidConfigError } from '../errors/config-errors.ts';
import { problemsOf } from '../errors/config-problems.ts';
import type { EngineFactory, EngineFactoryContext } from '../registry/registry.ts';

/** An engine made of its configuration. */
export interface MadeEngine {
  readonly engine: Engine;
  /** Fields of a bus with one engine that the engine of this type does not have. */
  readonly unused: readonly string[];
}

/**
 * Makes an engine of the fields of a bus with one engine. Those are for engines of every type, and an operator may change the
 * type alone: what the engine says that it does not know is left out.
 *
 * @throws what the factory throws, where that is anything else.
 */
export function makeOfSharedFields(
  factory: EngineFactory,
  fields: Readonly<Record<string, unknown>>,
  context: EngineFactoryContext,
): MadeEngine {
  const unused: string[] = [];
  let used = fields;
  for (;;) {
    try {
      return { engine: factory(used, context), unused };
    } catch (error) {
      const unknown = unknownFields(error).filter((field) => Object.hasOwn(used, field));
      if (unknown.length === 0) throw error;
      unused.push(...unknown);
      used = Object.fromEntries(Object.entries(used).filter(([field]) => !unknown.includes(field)));
    }
  }
}

function unknownFields(error: unknown): string[] {
  const problems = problemsOf(error, '') ?? [];
  return problems.filter(({ kind }) => kind === 'unknown-field').map(({ path }) => path);
}

/** The error with what set each of the fields that it is about. */
export function withSources(error: unknown, sourceOf: (field: string) => string | undefined): unknown {
  const problems = problemsOf(error, '');
  if (problems === undefined || !(error instanceof InvalidConfigError)) return error;
  const sourced = problems.map((one) => ({ ...one, source: one.source ?? sourceOf(fieldOf(one.path)) }));
  if (sourced.every(({ source }) => source === undefined)) return error;
  return new InvalidConfigError(sourced, { code: error.code, engine: error.engine });
}

/** The field at the top that a path begins with. */
function fieldOf(path: string): string {
  return /^[^.[]*/.exec(path)![0];
}
