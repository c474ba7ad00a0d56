import type { PolybusError } from '../errors/polybus-error.ts';
import { type EngineFactory, knownEngineFactory } from '../registry/registry.ts';
import { type MadeEngine, makeOfSharedFields, withSources } from './own-config.ts';
import { problemsOf } from '../errors/config-problems.ts';
import type { SourceOf } from './loading/sources.ts';

/** What one engine is to be made of. */
export interface OwnConfig {
  readonly index: number;
  readonly name: string;
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** True for the fields of a bus with one engine, which are those of engines of every type. */
  readonly isShared: boolean;
}

/** Makes an engine of its configuration, which says where it is in what goes wrong. */
export function makeOwn(factory: EngineFactory, own: OwnConfig, sourceOf: SourceOf): MadeEngine {
  const { index, name, config, isShared } = own;
  try {
    if (isShared) return makeOfSharedFields(factory, config, { name, path: '' });
    return { engine: factory(config, { name, path: `engines[${index}].config` }), unused: [] };
  } catch (error) {
    throw withSources(error, sourceOf);
  }
}

/** Makes those engines whose types are known here already: their mistakes belong to the others of the configuration. */
export function makeKnown(
  configs: readonly OwnConfig[],
  sourceOf: SourceOf,
): { readonly made: Map<number, MadeEngine>; readonly mistakes: PolybusError[] } {
  const made = new Map<number, MadeEngine>();
  const mistakes: PolybusError[] = [];
  for (const own of configs) {
    const factory = knownEngineFactory(own.type);
    if (factory === undefined) continue;
    try {
      made.set(own.index, makeOwn(factory, own, sourceOf));
    } catch (error) {
      // Whatever else it is, it is no mistake of the configuration: the start of the bus will tell.
      if (problemsOf(error, '') !== undefined) mistakes.push(error as PolybusError);
    }
  }
  return { made, mistakes };
}
