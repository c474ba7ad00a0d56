import { applicationFolders, resolveForApplication } from './application-folders.ts';
import type { Engine } from '../contract/engine.ts';
import { InvalidConfigError } from '../errors/config-errors.ts';
import { UnknownEngineTypeError } from '../errors/errors.ts';
import { isModuleNotFound } from '../errors/import-failure.ts';
import { maskValue } from '../errors/mask.ts';
import { closest } from '../errors/suggest.ts';
import { installedEngineTypes } from './installed-engines.ts';

/** The second argument of an engine factory. */
export interface EngineFactoryContext {
  /** The name of the engine. */
  readonly name: string;
  /** The path of its configuration, for messages, such as `engines[1].config`. */
  readonly path: string;
}

/**
 * Creates an engine from its configuration. It must not open connections, because it is also called to validate a configuration, and the
 * engine is then discarded.
 *
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
 */
export type EngineFactory = (config: unknown, context: EngineFactoryContext) => Engine;

const factories = new Map<string, EngineFactory>();

/** Engine types whose package has another name. */
const packageOf: ReadonlyMap<string, string> = new Map([
  ['durable-memory', '@polybus/engine-memory'],
  ['redis-streams', '@polybus/engine-redis'],
]);
const publishedTypes = ['memory', 'durable-memory', 'redis', 'redis-streams', 'kafka', 'kinesis'];
const typeGrammar = /^[a-z0-9][a-z0-9-]*$/;

/** Registers an engine type in this process. It replaces an earlier factory of the same type. */
export function registerEngine(type: string, factory: EngineFactory): void {
  if (!typeGrammar.test(type)) {
    throw new InvalidConfigError([
      { path: 'type', message: `expected lower-case letters, digits and "-", got ${JSON.stringify(type)}` },
    ]);
  }
  if (typeof factory !== 'function') {
    throw new InvalidConfigError([{ path: `factory of "${type}"`, message: 'expected a function' }]);
  }
  factories.set(type, factory);
}

/** Returns the engine types that a bus can use: the registered types, and those whose packages are installed. */
export function registeredEngines(): string[] {
  const installed = installedEngineTypes();
  const named = [...packageOf].flatMap(([type, name]) =>
    installed.includes(name.slice('@polybus/engine-'.length)) ? [type] : [],
  );
  return [...new Set([...factories.keys(), ...installed, ...named])];
}

/** Returns the factory of an engine type that is registered or was found before. */
export function knownEngineFactory(type: string): EngineFactory | undefined {
  return factories.get(type);
}

/**
 * Finds the factory of an engine type that is registered, or that the package `@polybus/engine-<type>` or `polybus-engine-<type>` exports
 * as `engines[type]`.
 *
 * @throws {@link UnknownEngineTypeError} if there is none. The message names the package to install.
 */
export async function findEngineFactory(type: string): Promise<EngineFactory> {
  const known = factories.get(type);
  if (known !== undefined) return known;
  const candidates = typeGrammar.test(type)
    ? [packageOf.get(type) ?? `@polybus/engine-${type}`, `polybus-engine-${type}`]
    : [];
  for (const name of candidates) {
    const module = await importPackage(name, type);
    if (module === undefined) continue;
    const engines = module.engines ?? {};
    const factory = Object.hasOwn(engines, type) ? engines[type] : undefined;
    if (typeof factory !== 'function') {
      throw new UnknownEngineTypeError(
        type,
        `The package "${name}" is installed but exports no engine type "${type}": its export ` +
          `\`engines\` must have a factory of that name. Update the package, or ask its author.`,
      );
    }
    factories.set(type, factory);
    return factory;
  }
  // The text may be a URL with a password.
  const shown = maskValue(type);
  throw new UnknownEngineTypeError(shown, adviceOn(shown, candidates));
}

function adviceOn(type: string, candidates: readonly string[]): string {
  const [first] = candidates;
  if (publishedTypes.includes(type)) {
    return (
      `The engine "${type}" is not installed: it ${placesSearched()}. Install it: npm install ${first}. ` +
      `If this program is bundled, import the engine: ${registration(type, first!)}`
    );
  }
  const meant = closest(type, [...publishedTypes, ...registeredEngines()]);
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`;
  const packages = candidates.map((name) => `"${name}"`).join(' or ');
  return (
    `There is no engine type "${type}".${hint} Install a package that provides it` +
    `${packages === '' ? '' : ` (${packages})`}, or call registerEngine("${type}", factory) first.` +
    (candidates.length === 0 ? '' : ` It ${placesSearched()}.`)
  );
}

function placesSearched(): string {
  const folders = applicationFolders().map((folder) => `from ${folder}`);
  return `was searched for ${folders.join(', ')} and next to @polybus/core`;
}

interface EngineModule {
  readonly engines?: Readonly<Record<string, EngineFactory>>;
}

/** Imports a package; returns undefined if it is not installed. An installed package that fails to load is an error. */
async function importPackage(name: string, type: string): Promise<EngineModule | undefined> {
  const found = resolveForApplication(name);
  let cause: unknown;
  // A tool that compiles `import` to `require`, such as Babel for Jest, cannot load a URL.
  for (const specifier of found === undefined ? [name] : [found, name]) {
    try {
      // Without these comments, bundlers replace `import` by a lookup in what they have bundled.
      return (await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)) as EngineModule;
    } catch (error) {
      cause = error;
      if (!isMissing(error, specifier)) break;
    }
  }
  if (found === undefined && isMissing(cause, name)) return undefined;
  const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '');
  throw new UnknownEngineTypeError(
    type,
    `The package "${name}" ${found === undefined ? '' : 'is installed but '}fails to load: ${reason}. If a bundler or a test runner loads this program, ` +
      `import the engine: ${registration(type, name)}`,
    { cause },
  );
}

function isMissing(error: unknown, specifier: string): boolean {
  const { message } = error as { message?: unknown };
  return isModuleNotFound(error) && String(message).includes(`'${specifier}'`);
}

/** The code that makes an engine type known without a search for its package. */
function registration(type: string, name: string): string {
  return `import { engines } from "${name}" and call registerEngine("${type}", engines["${type}"]) of "@polybus/core/engine"`;
}
