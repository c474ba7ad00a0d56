import type { Engine } from '../contract/engine.ts';
import { InvalidConfigError } from '../errors/config-errors.ts';
import { problemsOf } from '../errors/config-problems.ts';
import type { PolybusError } from '../errors/polybus-error.ts';
import { type EngineFactory, type EngineFactoryContext, knownEngineFactory } from '../registry/registry.ts';
import type { SourceOf } from './loading/sources.ts';

/** One engine to create. */
export interface EngineSpec {
  readonly index: number;
  readonly name: string;
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * For a bus with one engine, the fields that count outside of its `config`. Engines of every type share these fields, and need not have
   * them. Undefined for a bus with several engines.
   */
  readonly shared: ReadonlySet<string> | undefined;
}

/** An engine created from its configuration. */
export interface MadeEngine {
  readonly engine: Engine;
  /** Fields of a bus with one engine that this engine does not have. */
  readonly unused: readonly string[];
}

/** Creates an engine from its configuration. Its errors have the path of the configuration, and the source of each field. */
export function makeEngine(factory: EngineFactory, spec: EngineSpec, sourceOf: SourceOf): MadeEngine {
  const { index, name, config, shared } = spec;
  try {
    if (shared !== undefined) return makeOfSharedFields(factory, config, shared, { name, path: '' });
    return { engine: factory(config, { name, path: `engines[${index}].config` }), unused: [] };
  } catch (error) {
    throw withSources(error, sourceOf);
  }
}

/** Creates the engines whose types are known already, so that their mistakes are reported with the others of the configuration. */
export function makeKnownEngines(
  specs: readonly EngineSpec[],
  sourceOf: SourceOf,
): { readonly made: Map<number, MadeEngine>; readonly mistakes: PolybusError[] } {
  const made = new Map<number, MadeEngine>();
  const mistakes: PolybusError[] = [];
  for (const spec of specs) {
    const factory = knownEngineFactory(spec.type);
    if (factory === undefined) continue;
    try {
      made.set(spec.index, makeEngine(factory, spec, sourceOf));
    } catch (error) {
      // Any other error is no mistake in the configuration: the start of the bus reports it.
      if (problemsOf(error, '') !== undefined) mistakes.push(error as PolybusError);
    }
  }
  return { made, mistakes };
}

/** Returns true if the configuration of a known engine type has a field. */
export function hasField(type: string, field: string): boolean {
  const factory = knownEngineFactory(type);
  if (factory === undefined) return false;
  try {
    // A value that no field accepts: the engine refuses the field, or its value.
    factory({ [field]: Symbol('any') }, { name: type, path: '' });
    return true;
  } catch (error) {
    return problemsOf(error, '') !== undefined && !unknownFields(error).includes(field);
  }
}

/**
 * Creates the engine of a bus with one engine. The shared fields are for engines of every type, and an operator may change only the
 * type: shared fields that the engine does not know are left out.
 *
 * @throws any other error of the factory.
 */
function makeOfSharedFields(
  factory: EngineFactory,
  fields: Readonly<Record<string, unknown>>,
  shared: ReadonlySet<string>,
  context: EngineFactoryContext,
): MadeEngine {
  const unused: string[] = [];
  let used = fields;
  for (;;) {
    try {
      return { engine: factory(used, context), unused };
    } catch (error) {
      const unknown = unknownFields(error).filter((field) => shared.has(field) && Object.hasOwn(used, field));
      if (unknown.length === 0) throw withConfigPaths(error, shared);
      unused.push(...unknown);
      used = Object.fromEntries(Object.entries(used).filter(([field]) => !unknown.includes(field)));
    }
  }
}

function unknownFields(error: unknown): string[] {
  const problems = problemsOf(error, '') ?? [];
  return problems.filter(({ kind }) => kind === 'unknown-field').map(({ path }) => path);
}

/** Adds to an error that fields other than the shared ones are in `config`. */
function withConfigPaths(error: unknown, shared: ReadonlySet<string>): unknown {
  const problems = problemsOf(error, '');
  if (problems === undefined || !(error instanceof InvalidConfigError)) return error;
  const placed = problems.map((problem) =>
    problem.path === '' || problem.path === 'config' || shared.has(fieldOf(problem.path))
      ? problem
      : { ...problem, path: `config.${problem.path}` },
  );
  return new InvalidConfigError(placed, { code: error.code, engine: error.engine });
}

/** Adds to an error the source that set each of the fields that it names. */
function withSources(error: unknown, sourceOf: (field: string) => string | undefined): unknown {
  const problems = problemsOf(error, '');
  if (problems === undefined || !(error instanceof InvalidConfigError)) return error;
  const sourced = problems.map((problem) => ({
    ...problem,
    source: problem.source ?? sourceOf(sourcedField(problem.path)),
  }));
  if (sourced.every(({ source }) => source === undefined)) return error;
  return new InvalidConfigError(sourced, { code: error.code, engine: error.engine });
}

/** The field of a path whose source is known: a top-level field, or a field of `config`. */
function sourcedField(path: string): string {
  return /^(?:config\.)?[^.[]*/.exec(path)![0];
}

/** The top-level field of a path. */
function fieldOf(path: string): string {
  return /^[^.[]*/.exec(path)![0];
}
