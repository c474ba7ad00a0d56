import { type OptionNames, assertOptionNames } from '../../engine/options/call-options.ts';
import type { Logger } from '../../contract/observing.ts';
import { adaptedLogger } from '../../logging/adapted-logger.ts';
import { consoleLogger } from '../../logging/logger.ts';
import { readConfigFile } from './config-file.ts';
import { findEngineFactory } from '../../registry/registry.ts';
import { type ConfigLayer, combineConfig, engineTypesIn } from './config-layers.ts';
import { type UnknownVariable, readEnvironment } from './environment.ts';
import type { Environment } from './sources.ts';
import type { EventBusConfig } from '../event-bus-config.ts';
import { InvalidOptionError } from '../../errors/errors.ts';
import { hasFields } from '../schema.ts';

/** The sources of `loadConfig`. */
export interface LoadConfigOptions {
  /** A file in YAML (`.yaml`, `.yml`; needs the package `yaml`) or JSON (`.json`). Default: none. */
  readonly file?: string | URL | undefined;
  /** The environment, for variables that set fields and for `${NAME}` in the file. Default `process.env`. */
  readonly env?: Environment | undefined;
  /** The prefix of variables that set fields, such as `POLYBUS_`. Default: no prefix. */
  readonly envPrefix?: string | undefined;
  /** Gets a warning about variables that have the prefix and set no field. Default: the console. */
  readonly logger?: Logger | undefined;
  /** Fields that override every other source. */
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
 * Loads a configuration from its sources: defaults, a file, the environment, and code. A later source overrides an earlier one, field
 * by field. Every field that a source sets either takes effect or is refused: `engines` replaces the single engine of earlier sources,
 * and a field of a single engine after `engines` of an earlier source is a mistake. The `config` objects of a single engine are merged, unless a
 * later source names another engine: the `config` of earlier sources then has no effect. Installed engines validate their own fields.
 *
 * @returns A validated configuration for `createEventBus`.
 * @throws {@link InvalidConfigError} if the configuration is invalid. It lists every problem with its file or variable.
 * @throws {@link InvalidOptionError} or {@link UnknownOptionError} if an option of this call is invalid.
 * @throws {@link MissingVariableError} if the only mistake is that the file refers to variables that are not set.
 * @throws {@link ConfigFileError} if the file cannot be read.
 * @throws {@link MissingPackageError} if the file is YAML and the package `yaml` is not installed.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<EventBusConfig> {
  assertOptionNames('loadConfig', options, optionNames);
  const { file, env = process.env, envPrefix = '', logger = consoleLogger, code = {} } = options;
  if (!hasFields(env)) throw new InvalidOptionError('env', env, 'an object such as process.env');
  if (typeof envPrefix !== 'string')
    throw new InvalidOptionError('envPrefix', envPrefix, 'text such as "POLYBUS_"');
  if (!hasFields(code)) throw new InvalidOptionError('code', code, 'an object with fields such as "engine"');
  const fromFile = file === undefined ? undefined : await readConfigFile(file, env);
  const fromEnvironment = readEnvironment(env, envPrefix);
  const unknown = fromEnvironment.unknown.filter(({ name }) => fromFile?.variables.has(name) !== true);
  if (unknown.length > 0) adaptedLogger(logger).warn(warningOf(unknown));
  const layers: ConfigLayer[] = [
    ...(fromFile === undefined ? [] : [{ ...fromFile, sourceOf: () => fromFile.name }]),
    { ...fromEnvironment, sourceOf: (field) => fromEnvironment.variableOf.get(field) },
    { fields: code, sourceOf: () => 'code', errors: [] },
  ];
  // Loads the engines, so that the same error lists the mistakes in their fields. A missing engine may be registered later.
  await Promise.all(engineTypesIn(layers).map((type) => findEngineFactory(type).catch(() => undefined)));
  return combineConfig(layers);
}

function warningOf(unknown: readonly UnknownVariable[]): string {
  const list = unknown.map(({ name, nearest }) =>
    nearest === undefined ? name : `${name} (did you mean ${nearest}?)`,
  );
  return (
    `environment variables with the prefix that set no field: ${list.join(', ')}. ` +
    'A configuration file can refer to any variable with ${NAME}'
  );
}
