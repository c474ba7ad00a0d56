import { type ConfigProblem, InvalidConfigError, MissingVariableError } from '../../errors/config-errors.ts';
import type { Environment } from './sources.ts';
import { appendKey, isSecretKey } from '../validate.ts';

/** Matches `$${` (an escaped `${`), `${NAME}` and `${NAME:-default}`. */
const reference = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?/g;

/** Returns true for a text that consists of one reference. */
export function isReference(text: string): boolean {
  return /^\$\{[^}]*\}$/.test(text);
}

/** A text of one reference without quotes in YAML, or any in JSON. Its value may be a number or a boolean. */
export class PlainText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value that was read as a number or a boolean, with its location, because its field may expect text. */
export interface Typed {
  readonly path: string;
  readonly holder: Record<string | number, unknown>;
  readonly key: string | number;
  readonly text: string;
}

/** The parsed content of a file with environment variables substituted. */
export interface Substituted {
  readonly value: unknown;
  readonly typed: readonly Typed[];
  readonly errors: readonly InvalidConfigError[];
  /** The variables that the file refers to. */
  readonly variables: ReadonlySet<string>;
}

/** Replaces the references in every text of a parsed file by environment variables, at any depth. */
export function substitute(parsed: unknown, environment: Environment, file: string): Substituted {
  const missing: { variable: string; path: string }[] = [];
  const malformed: ConfigProblem[] = [];
  const typed: Typed[] = [];
  const variables = new Set<string>();

  function inText(text: string, path: string): string {
    return text.replace(reference, (whole, name: string | undefined, fallback: string | undefined) => {
      if (whole === '$${') return '${';
      // The first "}" ends a default, so a default cannot contain a reference.
      if (name === undefined || fallback?.includes('${') === true) {
        // The text is not shown, because it may be part of a password.
        const message =
          'expected ${NAME}, or ${NAME:-default}, where there is "${"; write $${ for "${" itself';
        malformed.push({ path, message, source: file });
        return whole;
      }
      variables.add(name);
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      // As in a shell, an empty variable counts as not set if there is a default.
      if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
      if (value === undefined) missing.push({ variable: name, path });
      return value ?? '';
    });
  }

  /** @param name - The field of the value, or of the list that contains it. */
  function inValue(value: unknown, path: string, name: string): unknown {
    if (typeof value === 'string') return inText(value, path);
    if (typeof value !== 'object' || value === null) return value;
    const isList = Array.isArray(value);
    const holder = (isList ? [] : {}) as Record<string | number, unknown>;
    for (const [field, item] of Object.entries(value) as [string, unknown][]) {
      const key = isList ? Number(field) : field;
      const [itemPath, itemName] = [appendKey(path, key), isList ? name : field];
      if (item instanceof PlainText) {
        const text = inText(item.text, itemPath);
        const read = typedValue(text, itemName);
        if (read !== text) typed.push({ path: itemPath, holder, key, text });
        put(holder, key, read);
      } else put(holder, key, inValue(item, itemPath, itemName));
    }
    return holder;
  }

  const value = inValue(parsed, '', '');
  const errors = malformed.length > 0 ? [new InvalidConfigError(malformed)] : [];
  return {
    value,
    typed,
    variables,
    errors: missing.length > 0 ? [...errors, new MissingVariableError(missing, file)] : errors,
  };
}

/** Sets an own property, whatever its name, because a file may contain `__proto__`. */
function put(holder: object, key: string | number, value: unknown): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Converts text to a number only if the number has the same text: `007` and `1e3` stay text, and so do secrets. */
export function typedValue(text: string, key: string): string | number | boolean {
  if (isSecretKey(key)) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}
