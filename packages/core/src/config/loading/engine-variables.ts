import type { Environment } from './sources.ts';
import { type Typed, typedValue } from './substitute.ts';

/** The first part of the names of variables that set fields of the engine's `config`. */
const engineVariables = 'ENGINE_CONFIG_';

/** Names whose words are not written as camel case has them. */
const irregular: ReadonlyMap<string, string> = new Map([
  ['EVENT_TTL', 'eventTTL'],
  ['EXTERNAL_BROKER_URL', 'externalBrokerURL'],
]);

/** The fields of the engine's `config` that environment variables set. */
export interface EngineFields {
  /** Undefined if no variable sets one. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly typed: readonly Typed[];
  /** The variable that set `config`, and each of its fields, such as `config.mode`. */
  readonly variableOf: ReadonlyMap<string, string>;
}

/** Returns true if a variable with this name sets a field of the engine's `config`, unless it is empty. */
export function isEngineVariable(name: string, prefix: string): boolean {
  const start = prefix + engineVariables;
  return name.startsWith(start) && name !== start;
}

/**
 * Reads the variables that set fields of the engine's `config`: `ENGINE_CONFIG_MODE` sets `mode`, `ENGINE_CONFIG_KEY_PREFIX` sets
 * `keyPrefix`, and two underscores lead into an object: `ENGINE_CONFIG_SASL__USERNAME` sets `username` in `sasl`. An empty variable sets
 * nothing.
 */
export function readEngineConfig(environment: Environment, prefix: string): EngineFields {
  const config: Record<string, unknown> = {};
  const typed: Typed[] = [];
  const variableOf = new Map<string, string>();
  // In the order of their names, so that a variable for an object comes before the variables for its fields.
  for (const name of Object.keys(environment)
    .filter((one) => isEngineVariable(one, prefix))
    .sort()) {
    const text = environment[name]?.trim();
    if (text === undefined || text === '') continue;
    const keys = name
      .slice(prefix.length + engineVariables.length)
      .split('__')
      .map(fieldOf);
    variableOf.set('config', name);
    variableOf.set(`config.${keys[0]!}`, name);
    const key = keys.at(-1)!;
    const holder = keys.slice(0, -1).reduce(objectIn, config);
    const read = valueOf(text, key);
    if (typeof read !== 'object' && read !== text)
      typed.push({ path: ['config', ...keys].join('.'), holder, key, text });
    put(holder, key, read);
  }
  return { config: variableOf.size === 0 ? undefined : config, typed, variableOf };
}

/** Converts `KEY_PREFIX` to `keyPrefix`. */
function fieldOf(words: string): string {
  return (
    irregular.get(words) ??
    words.toLowerCase().replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  );
}

/** Text in JSON for lists and objects; otherwise as for a variable in a file. */
function valueOf(text: string, key: string): unknown {
  if (!/^[[{]/.test(text)) return typedValue(text, key);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Validation then says what the field expects.
    return text;
  }
}

function objectIn(holder: Record<string, unknown>, key: string): Record<string, unknown> {
  const found = Object.hasOwn(holder, key) ? holder[key] : undefined;
  if (typeof found === 'object' && found !== null) return found as Record<string, unknown>;
  const made = {};
  put(holder, key, made);
  return made;
}

/** Sets an own property, whatever its name. */
function put(holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}
