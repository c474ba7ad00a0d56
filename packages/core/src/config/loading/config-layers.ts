import { type ConfigProblem, InvalidConfigError } from '../../errors/config-errors.ts';
import { oneConfigError, problemsOf } from '../../errors/config-problems.ts';
import type { PolybusError } from '../../errors/polybus-error.ts';
import type { EventBusConfig } from '../event-bus-config.ts';
import { defaultEngineType, mistakesIn, singleEngineFields } from '../parse-config.ts';
import { type SourceOf, rememberSources } from './sources.ts';
import type { Typed } from './substitute.ts';

/** One source of a configuration. */
export interface ConfigLayer {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Returns what set a field, for messages. */
  readonly sourceOf: (field: string) => string | undefined;
  /** Values that were read as numbers or booleans although their field may expect text. */
  readonly typed?: readonly Typed[] | undefined;
  /** The mistakes found so far. */
  readonly errors: readonly InvalidConfigError[];
}

/**
 * Merges the sources of a configuration and validates the result. A later source overrides an earlier one, field by field.
 *
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
 */
export function combineConfig(layers: readonly ConfigLayer[]): EventBusConfig {
  let checked = check(layers);
  // A value that is refused as a number may be valid as text.
  const wrong = layers.flatMap(({ typed = [] }) => typed).filter(({ path }) => checked.isRefused(path));
  for (const { holder, key, text } of wrong) holder[key] = text;
  if (wrong.length > 0) checked = check(layers);
  const { config, errors, sourceOf } = checked;
  if (errors.length > 0) throw oneConfigError(errors);
  return rememberSources(config, sourceOf);
}

interface Checked {
  readonly config: EventBusConfig;
  readonly sourceOf: SourceOf;
  readonly errors: readonly PolybusError[];
  readonly isRefused: (path: string) => boolean;
}

function check(layers: readonly ConfigLayer[]): Checked {
  const { config, origins, problems } = merge(layers);
  const sourceOf: SourceOf = (field) =>
    origins.get(field)?.(field) ?? origins.get(topOf(field))?.(topOf(field));
  const errors = layers.flatMap((layer) => layer.errors);
  const isKnown = pathsOf(errors);
  const mistakes = mistakesIn(config, sourceOf).flatMap((error) => {
    // Text with a missing variable is incomplete, so its other problems would be misleading.
    const all = problemsOf(error, 'config') ?? [];
    const rest = all.filter(({ path }) => !isKnown(path));
    if (rest.length === all.length) return [error];
    return rest.length > 0 ? [new InvalidConfigError(rest)] : [];
  });
  const all = [...errors, ...(problems.length > 0 ? [new InvalidConfigError(problems)] : []), ...mistakes];
  return { config, sourceOf, errors: all, isRefused: pathsOf(mistakes) };
}

/** Returns the engine types that a configuration names, even if it is invalid. */
export function engineTypesIn(layers: readonly ConfigLayer[]): string[] {
  const { engines, engine = defaultEngineType } = merge(layers).config;
  const types: unknown[] = Array.isArray(engines)
    ? engines.map((engineConfig: unknown) => (engineConfig as { type?: unknown } | null)?.type)
    : [engine];
  return types.filter((type) => typeof type === 'string');
}

interface Merged {
  readonly config: Readonly<Record<string, unknown>>;
  readonly origins: ReadonlyMap<string, ConfigLayer['sourceOf']>;
  readonly problems: readonly ConfigProblem[];
}

function merge(layers: readonly ConfigLayer[]): Merged {
  // Without a prototype, so that a field `__proto__` is refused like any other unknown field.
  const config = Object.create(null) as Record<string, unknown>;
  const origins = new Map<string, ConfigLayer['sourceOf']>();
  const problems: ConfigProblem[] = [];
  for (const { fields, sourceOf } of layers) {
    const given = Object.entries(fields).filter(([, value]) => value !== undefined);
    if (config['engines'] !== undefined && fields['engines'] === undefined) {
      const from = origins.get('engines')?.('engines');
      for (const [field] of given.filter(([name]) => singleEngineFields.includes(name))) {
        const message = `it is for a bus with one engine, and ${from} has "engines"; set it in the config of one of them, or remove it`;
        problems.push({ path: field, message, source: sourceOf(field) });
      }
    }
    if (namesAnotherEngine(fields, config)) {
      delete config['config'];
      for (const field of origins.keys()) if (topOf(field) === 'config') origins.delete(field);
    }
    for (const [field, value] of given) {
      config[field] = field === 'config' ? mergedConfig(config[field], value) : value;
      origins.set(field, sourceOf);
      if (field === 'config' && isPlainObject(value))
        for (const name of Object.keys(value)) origins.set(`config.${name}`, sourceOf);
    }
  }
  return { config: { ...config }, origins, problems };
}

/** The `config` of an earlier source is for the engine that this source or an earlier one named, and for no other. */
function namesAnotherEngine(
  { engine }: Readonly<Record<string, unknown>>,
  earlier: Readonly<Record<string, unknown>>,
): boolean {
  return engine !== undefined && earlier['engine'] !== undefined && engine !== earlier['engine'];
}

/**
 * Merges the `config` of two sources field by field, also within plain objects such as `sasl`. An object of another `type`, such as
 * another `checkpointStore`, replaces the earlier object, because its fields are others.
 */
function mergedConfig(earlier: unknown, later: unknown): unknown {
  if (!isPlainObject(earlier) || !isPlainObject(later)) return later;
  const { type = earlier['type'] } = later;
  if (type !== earlier['type']) return later;
  const added = Object.entries(later).map(([field, value]): [string, unknown] => [
    field,
    mergedConfig(Object.hasOwn(earlier, field) ? earlier[field] : undefined, value),
  ]);
  return Object.fromEntries([...Object.entries(earlier), ...added]);
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function topOf(field: string): string {
  return field.split('.', 1)[0]!;
}

function pathsOf(errors: readonly PolybusError[]): (path: string) => boolean {
  const paths = new Set(errors.flatMap((error) => (problemsOf(error, '') ?? []).map(({ path }) => path)));
  return (path) => paths.has(path);
}
