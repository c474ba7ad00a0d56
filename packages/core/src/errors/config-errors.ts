import { type ErrorCode, PolybusError, type PolybusErrorOptions } from './polybus-error.ts';
import { maskValue } from './mask.ts';
import { engineList } from './suggest.ts';

/** One mistake in a configuration. */
export interface ConfigProblem {
  /** The path of the setting, such as `engines[1].config.workerCount`. */
  readonly path: string;
  /** What is wrong, what is allowed, and what to do. Secrets are masked. */
  readonly message: string;
  /** The file or environment variable that set the value, if `loadConfig` loaded the configuration. */
  readonly source?: string | undefined;
  /** The kind of mistake, for code that treats unknown fields differently. */
  readonly kind?: 'unknown-field' | undefined;
}

/** The configuration is invalid; `problems` lists every mistake. */
export class InvalidConfigError extends PolybusError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], options: PolybusErrorOptions & { code?: ErrorCode } = {}) {
    super(
      options.code ?? 'INVALID_CONFIG',
      `Invalid configuration:${problems.map(lineOf).join('')}`,
      options,
    );
    this.problems = problems;
  }
}

function lineOf({ path, message, source }: ConfigProblem): string {
  const from = source === undefined || source === path ? '' : ` (from ${source})`;
  return `\n  - ${path}${from}: ${message}`;
}

/** Two engines of one bus have the same name. */
export class DuplicateEngineNameError extends InvalidConfigError {
  constructor(name: string, path: string, source?: string) {
    const shown = maskValue(name);
    const message = `the name "${shown}" is used twice; give each engine its own name`;
    super([{ path, message, source }], { code: 'DUPLICATE_ENGINE_NAME', engine: shown });
  }
}

/** A routing rule names an engine that the configuration does not have. */
export class UnknownEngineReferenceError extends InvalidConfigError {
  constructor(name: string, path: string, names: readonly string[], source?: string) {
    const shown = maskValue(name);
    const message = `there is no engine "${shown}"; ${engineList(names.map(maskValue))}`;
    super([{ path, message, source }], { code: 'UNKNOWN_ENGINE_REFERENCE', engine: shown });
  }
}

/** A configuration file refers to environment variables that are not set. */
export class MissingVariableError extends InvalidConfigError {
  /** The names of the variables. */
  readonly variables: readonly string[];

  constructor(missing: readonly { readonly variable: string; readonly path: string }[], file: string) {
    super(
      missing.map(({ variable, path }) => ({
        path,
        message: `the environment variable ${variable} is not set; set it, or write a default: \${${variable}:-…}`,
        source: file,
      })),
      { code: 'MISSING_VARIABLE' },
    );
    this.variables = [...new Set(missing.map(({ variable }) => variable))];
  }
}

/** A configuration file cannot be read or parsed. */
export class ConfigFileError extends PolybusError {
  readonly file: string;
  /** The line of the mistake, counted from 1. */
  readonly line: number | undefined;

  constructor(file: string, reason: string, options: PolybusErrorOptions & { readonly line?: number } = {}) {
    const location = options.line === undefined ? file : `${file}, line ${options.line}`;
    super('CONFIG_FILE', `Cannot read the configuration file ${location}: ${reason}`, options);
    this.file = file;
    this.line = options.line;
  }
}

/** An optional package is needed and not installed. */
export class MissingPackageError extends PolybusError {
  /** The package to install. */
  readonly package: string;

  constructor(name: string, purpose: string, options: PolybusErrorOptions = {}) {
    super(
      'MISSING_PACKAGE',
      `${purpose} needs the package "${name}". Install it: npm install ${name}`,
      options,
    );
    this.package = name;
  }
}
