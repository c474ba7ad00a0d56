import { readConfigFile } from './config-file.ts';
import { findEngineFactory } from '../registry.ts';
import { type ConfigLayer, combineConfig, engineTypesIn } from './config-layers.ts';
import { type Environment, readEnvironment } from './environment.ts';
import type { EventBusConfig } from './event-bus-config.ts';

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

/**
 * Puts a configuration together from its sources; a later one wins, field by field: the defaults, a file, the environment, code.
 * What a source sets takes effect or is refused: `engines` replaces the engine of the sources before it, while a field of the
 * one-engine form over the `engines` of a source before it is a mistake. Engines that are installed check what is theirs.
 *
 * @returns a configuration that has been checked, for `createEventBus`.
 * @throws {@link InvalidConfigError} listing every problem, with the file or variable that it comes from.
 * @throws {@link MissingVariableError} where nothing is wrong but that the file refers to variables that are not set.
 * @throws {@link ConfigFileError} where the file cannot be read.
 * @throws {@link MissingPackageError} where the file is YAML and the package `yaml` is not installed.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<EventBusConfig> {
  const { file, env = process.env, envPrefix = '', code = {} } = options;
  const layers: ConfigLayer[] = [
    ...(file === undefined ? [] : [await fileLayer(file, env)]),
    environmentLayer(env, envPrefix),
    { fields: code as Record<string, unknown>, sourceOf: () => 'code', errors: [] },
  ];
  // What engines have to say of their own fields is to be in the same error. One that cannot be found may be registered later.
  await Promise.all(engineTypesIn(layers).map((type) => findEngineFactory(type).catch(() => undefined)));
  return combineConfig(layers);
}

async function fileLayer(file: string | URL, env: Environment): Promise<ConfigLayer> {
  const { fields, name, typed, errors } = await readConfigFile(file, env);
  return { fields, sourceOf: () => name, typed, errors };
}

function environmentLayer(env: Environment, prefix: string): ConfigLayer {
  const { fields, variableOf, errors } = readEnvironment(env, prefix);
  return { fields, sourceOf: (field) => variableOf.get(field), errors };
}
