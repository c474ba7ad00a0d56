import { type ConfigProblem, InvalidConfigError, MissingVariableError } from '../errors.ts';
import type { Environment } from './environment.ts';
import { appendKey, isSecretKey } from './validate.ts';

/** `$${` for `${` itself, or `${NAME}`, or `${NAME:-default}`. */
const reference = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?/g;

/** A YAML scalar without quotes: what a single reference stands for may be a number or a flag. */
export class PlainText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Parsed text with the environment's values in it. */
export interface Substituted {
  readonly value: unknown;
  readonly errors: readonly InvalidConfigError[];
}

/** Puts the environment's values for the references in every text of a parsed file, at whatever depth. */
export function substitute(parsed: unknown, environment: Environment, file: string): Substituted {
  const missing: { variable: string; path: string }[] = [];
  const malformed: ConfigProblem[] = [];

  function inText(text: string, path: string): string {
    return text.replace(reference, (whole, name: string | undefined, fallback: string | undefined) => {
      if (whole === '$${') return '${';
      if (name === undefined) {
        // What stands there is not shown: it may be part of a password.
        const message =
          'expected ${NAME}, or ${NAME:-default}, where there is "${"; write $${ for "${" itself';
        malformed.push({ path, message, source: file });
        return whole;
      }
      const value = environment[name];
      // As in a shell: an empty variable counts as not set where there is a default.
      if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
      if (value === undefined) missing.push({ variable: name, path });
      return value ?? '';
    });
  }

  function inValue(value: unknown, path: string, key: string): unknown {
    if (typeof value === 'string') return inText(value, path);
    if (value instanceof PlainText) return typed(inText(value.text, path), key);
    if (Array.isArray(value)) return value.map((item: unknown, i) => inValue(item, appendKey(path, i), key));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([own, item]) => [own, inValue(item, appendKey(path, own), own)]),
    );
  }

  const value = inValue(parsed, '', '');
  const errors = malformed.length > 0 ? [new InvalidConfigError(malformed)] : [];
  return {
    value,
    errors: missing.length > 0 ? [...errors, new MissingVariableError(missing, file)] : errors,
  };
}

/** A number only where it reads the same both ways: `007` and `1e3` stay text, and so does whatever is secret. */
function typed(text: string, key: string): string | number | boolean {
  if (isSecretKey(key)) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}
