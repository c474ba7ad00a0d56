import { type OptionNames, assertOptionNames } from '../../engine/call-options.ts';
import type { Logger } from '../../contract/observing.ts';
import { adaptedLogger } from '../../logging/adapted-logger.ts';
import { consoleLogger } from '../../logging/logger.ts';
import { readConfigFile } from './config-file.ts';
import { findEngineFactory } from '../../registry/registry.ts';
import { type ConfigLayer, combineConfig, engineTypesIn } from './config-layers.ts';
import { type Environment, type UnknownVariable, readEnvironment } from './environment.ts';
import type { EventBusConfig } from '../event-bus-config.ts';

/** Where `loadConfig` looks. */
export interface LoadConfigOptions {
  /** A file in YAML (`.yaml`, `.yml`; needs the package `yaml`) or JSON (`.json`). Default: none. */
  readonly file?: string | URL | undefined;
  /** The environment, for variables that set fields and for `${NAME}` in the file. Default `process.env`. */
  readonly env?: Environment | undefined;
  /** What the names of the variables that set fields begin with, such as `POLYBUS_`. Default: nothing. */
  readonly envPrefix?: string | undefined;
  /** Gets a warning of variables that begin with the prefix and set nothing. Default: the console. */
  readonly logger?: Logger | undefined;
  /** What wins over all else. */
  readonly code?: EventBusConfig | undefined;
}

const optionNames = {
  file: true,
  env: true,
  envPrefix: true,
  logger: true,
  code: true,
} satisfies OptionNames<LoadConfigOptions>;

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
  assertOptionNames('loadConfig', options, optionNames);
  const { file, env = process.env, envPrefix = '', logger = consoleLogger, code = {} } = options;
  const fromFile = file === undefined ? undefined : await readConfigFile(file, env);
  const fromEnvironment = readEnvironment(env, envPrefix);
  const unknown = fromEnvironment.unknown.filter(({ name }) => fromFile?.variables.has(name) !== true);
  if (unknown.length > 0) adaptedLogger(logger).warn(warningOf(unknown));
  const layers: ConfigLayer[] = [
    ...(fromFile === undefined ? [] : [{ ...fromFile, sourceOf: () => fromFile.name }]),
    { ...fromEnvironment, sourceOf: (field) => fromEnvironment.variableOf.get(field) },
    { fields: code as Record<string, unknown>, sourceOf: () => 'code', errors: [] },
  ];
  // What engines have to say of their own fields is to be in the same error. One that cannot be found may be registered later.
  await Promise.all(engineTypesIn(layers).map((type) => findEngineFactory(type).catch(() => undefined)));
  return combineConfig(layers);
}

function warningOf(unknown: readonly UnknownVariable[]): string {
  const list = unknown.map(({ name, nearest }) =>
    nearest === undefined ? name : `${name} (the nearest that is read is ${nearest})`,
  );
  return (
    `environment variables with the prefix that set nothing: ${list.join(', ')}. ` +
    'A file of the configuration may refer to any variable, as in ${NAME}'
  );
}
