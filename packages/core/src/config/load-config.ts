import { type ConfigProblem, InvalidConfigError } from '../errors.ts';
import { readConfigFile } from './config-file.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { type EventBusConfig, mistakesIn, singleEngineFields } from './event-bus-config.ts';
import { oneConfigError } from './one-config-error.ts';

/** Where `loadConfig` looks. */
export interface LoadConfigOptions {
  /** A file in YAML (`.yaml`, `.yml`; needs the package `yaml`) or JSON (`.json`). Default: none. */
  readonly file?: string | URL | undefined;
  /** The environment, for variables that set fields and for `${NAME}` in the file. Default `process.env`. */
  readonly env?: Environment | undefined;
  /** What the names of the variables that set fields begin with, such as `POLYBUS_`. Default: nothing. */
  readonly envPrefix?: string | undefined;
  /** What wins over all else. */
  readonly code?: EventBusConfig | undefined;
}

/** One source of a configuration. */
interface Layer {
  readonly fields: Readonly<Record<string, unknown>>;
  /** What set a field, for messages. */
  readonly sourceOf: (field: string) => string | undefined;
  readonly errors: readonly InvalidConfigError[];
}

/**
 * Puts a configuration together from its sources; a later one wins, field by field: the defaults, a file, the environment, code.
 * What a source sets takes effect or is refused: `engines` replaces the engine of the sources before it, while a field of the
 * one-engine form over the `engines` of a source before it is a mistake.
 *
 * @returns a configuration that has been checked, for `createEventBus`.
 * @throws {@link InvalidConfigError} listing every problem, with the file or variable that it comes from.
 * @throws {@link MissingVariableError} where nothing is wrong but that the file refers to variables that are not set.
 * @throws {@link ConfigFileError} where the file cannot be read.
 * @throws {@link MissingPackageError} where the file is YAML and the package `yaml` is not installed.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<EventBusConfig> {
  const { file, env = process.env, envPrefix = '', code = {} } = options;
  const layers: Layer[] = [
    ...(file === undefined ? [] : [await fileLayer(file, env)]),
    environmentLayer(env, envPrefix),
    { fields: code as Record<string, unknown>, sourceOf: () => 'code', errors: [] },
  ];
  const { config, origins, problems } = merge(layers);
  const errors = layers.flatMap((layer) => layer.errors);
  const isKnown = pathsOf(errors);
  const mistakes = mistakesIn(config, (field) => origins.get(field)?.(field)).flatMap((error) => {
    // Text in which a variable is missing is not what was meant: it would be refused for what it is not.
    const rest = error.problems.filter(({ path }) => !isKnown(path));
    if (rest.length === error.problems.length) return [error];
    return rest.length > 0 ? [new InvalidConfigError(rest)] : [];
  });
  const all = [...errors, ...(problems.length > 0 ? [new InvalidConfigError(problems)] : []), ...mistakes];
  if (all.length > 0) throw oneConfigError(all);
  return config;
}

async function fileLayer(file: string | URL, env: Environment): Promise<Layer> {
  const { fields, name, errors } = await readConfigFile(file, env);
  return { fields, sourceOf: () => name, errors };
}

function environmentLayer(env: Environment, prefix: string): Layer {
  const { fields, variableOf, errors } = readEnvironment(env, prefix);
  return { fields, sourceOf: (field) => variableOf.get(field), errors };
}

interface Merged {
  readonly config: Readonly<Record<string, unknown>>;
  readonly origins: ReadonlyMap<string, Layer['sourceOf']>;
  readonly problems: readonly ConfigProblem[];
}

function merge(layers: readonly Layer[]): Merged {
  const config: Record<string, unknown> = {};
  const origins = new Map<string, Layer['sourceOf']>();
  const problems: ConfigProblem[] = [];
  for (const { fields, sourceOf } of layers) {
    const given = Object.entries(fields).filter(([, value]) => value !== undefined);
    if (config['engines'] !== undefined && fields['engines'] === undefined) {
      const from = origins.get('engines')?.('engines');
      for (const [field] of given.filter(([name]) => singleEngineFields.includes(name))) {
        const message = `it is for a bus with one engine, and ${from} has "engines"; set it in the config of one of them, or leave it out`;
        problems.push({ path: field, message, source: sourceOf(field) });
      }
    }
    for (const [field, value] of given) {
      config[field] = value;
      origins.set(field, sourceOf);
    }
  }
  return { config, origins, problems };
}

function pathsOf(errors: readonly InvalidConfigError[]): (path: string) => boolean {
  const paths = new Set(errors.flatMap(({ problems }) => problems.map(({ path }) => path)));
  return (path) => paths.has(path);
}
