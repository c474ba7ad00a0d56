import { type ConfigProblem, InvalidConfigError, MissingVariableError } from '../../errors/config-errors.ts';
import type { Environment } from './environment.ts';
import { appendKey, isSecretKey } from '../validate.ts';

/** `$${` for `${` itself, or `${NAME}`, or `${NAME:-default}`. */
const reference = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?/g;

/** True for text that is one reference and nothing else. */
export function isReference(text: string): boolean {
  return /^\$\{[^}]*\}$/.test(text);
}

/** A single reference without quotes of its own (JSON has no others): what it stands for may be a number or a flag. */
export class PlainText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value that was read as a number or a flag, and where it is; its field may want the text. */
export interface Typed {
  readonly path: string;
  readonly holder: Record<string | number, unknown>;
  readonly key: string | number;
  readonly text: string;
}

/** Parsed text with the environment's values in it. */
export interface Substituted {
  readonly value: unknown;
  readonly typed: readonly Typed[];
  readonly errors: readonly InvalidConfigError[];
  /** The variables that it refers to. */
  readonly variables: ReadonlySet<string>;
}

/** Puts the environment's values for the references in every text of a parsed file, at whatever depth. */
export function substitute(parsed: unknown, environment: Environment, file: string): Substituted {
  const missing: { variable: string; path: string }[] = [];
  const malformed: ConfigProblem[] = [];
  const typed: Typed[] = [];
  const variables = new Set<string>();

  function inText(text: string, path: string): string {
    return text.replace(reference, (whole, name: string | undefined, fallback: string | undefined) => {
      if (whole === '$${') return '${';
      // The first "}" ends a default: one with a reference in it would end in the middle.
      if (name === undefined || fallback?.includes('${') === true) {
        // What stands there is not shown: it may be part of a password.
        const message =
          'expected ${NAME}, or ${NAME:-default}, where there is "${"; write $${ for "${" itself';
        malformed.push({ path, message, source: file });
        return whole;
      }
      variables.add(name);
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      // As in a shell: an empty variable counts as not set where there is a default.
      if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
      if (value === undefined) missing.push({ variable: name, path });
      return value ?? '';
    });
  }

  /** @param name - The field that it is in, or in the list of. */
  function inValue(value: unknown, path: string, name: string): unknown {
    if (typeof value === 'string') return inText(value, path);
    if (typeof value !== 'object' || value === null) return value;
    const isList = Array.isArray(value);
    const holder = (isList ? [] : {}) as Record<string | number, unknown>;
    for (const [own, item] of Object.entries(value) as [string, unknown][]) {
      const key = isList ? Number(own) : own;
      const [itsPath, itsName] = [appendKey(path, key), isList ? name : own];
      if (item instanceof PlainText) {
        const text = inText(item.text, itsPath);
        const read = typedValue(text, itsName);
        if (read !== text) typed.push({ path: itsPath, holder, key, text });
        put(holder, key, read);
      } else put(holder, key, inValue(item, itsPath, itsName));
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

/** As a field of its own, whatever its name: `__proto__` may stand in a file. */
function put(holder: object, key: string | number, value: unknown): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

/** A number only where it reads the same both ways: `007` and `1e3` stay text, and so does whatever is secret. */
function typedValue(text: string, key: string): string | number | boolean {
  if (isSecretKey(key)) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}
