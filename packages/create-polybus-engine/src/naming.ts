import { ScaffoldError } from './scaffold-error.ts';

/** The names of a new engine. */
export interface EngineNames {
  /** The npm package: `polybus-engine-nats`. */
  readonly packageName: string;
  /** The type in a configuration: `nats`. */
  readonly type: string;
  /** The factory in code: `natsEngine`. */
  readonly factory: string;
  /** The beginning of class names: `Nats`. */
  readonly prefix: string;
}

const typeGrammar = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9]))*$/;
const scopeGrammar = /^@[a-z0-9][a-z0-9._~-]*$/;
/** npm's limit. */
const longestName = 214;
const conventional = 'polybus-engine-';
const taken = ['memory', 'durable-memory', 'redis', 'kafka', 'kinesis'];

/**
 * Derives all names from a type (`nats`) or a package name (`polybus-engine-nats`, `@acme/nats`). A package without a scope is
 * named `polybus-engine-<type>`, because polybus finds an engine type under that name.
 *
 * @throws {@link ScaffoldError} if the name is invalid, or polybus has an engine of that type.
 */
export function engineNames(given: string, givenType?: string): EngineNames {
  const [scope, last] = split(given);
  const type = givenType ?? typeOf(last);
  if (!typeGrammar.test(type)) {
    throw new ScaffoldError(
      `"${type}" is not an engine type. An engine type starts with a lower-case letter and contains lower-case letters, digits ` +
        `and single "-", such as "nats". Use another name, or set the type with --type.`,
    );
  }
  if (taken.includes(type)) {
    throw new ScaffoldError(
      `polybus already has an engine "${type}". Use another name, or set the type with --type.`,
    );
  }
  if (scope !== undefined && !(scopeGrammar.test(scope) && typeGrammar.test(last))) {
    throw new ScaffoldError(
      `"${given}" is not a package name. After the scope, use a name of lower-case letters, digits and "-", such as ` +
        `"@acme/polybus-engine-nats".`,
    );
  }
  const packageName = scope === undefined ? `${conventional}${type}` : given;
  if (packageName.length > longestName) {
    throw new ScaffoldError(
      `"${packageName.slice(0, 40)}…" is longer than the limit for package names (${longestName}).`,
    );
  }
  const words = type.split('-');
  const prefix = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  return { packageName, type, factory: `${prefix[0]!.toLowerCase()}${prefix.slice(1)}Engine`, prefix };
}

function split(given: string): [scope: string | undefined, last: string] {
  if (!given.startsWith('@')) return [undefined, given];
  const slash = given.indexOf('/');
  return slash === -1 ? [given, ''] : [given.slice(0, slash), given.slice(slash + 1)];
}

/** `polybus-engine-nats`, `nats-engine` and `nats` are all of type `nats`. */
function typeOf(name: string): string {
  return name.replace(new RegExp(`^${conventional}`), '').replace(/-engine$/, '');
}
