import * as v from 'valibot';
import { type ConfigProblem, InvalidConfigError } from '../errors/config-errors.ts';
import { quote } from '../errors/polybus-error.ts';
import { maskValue } from '../errors/mask.ts';
import { suggestion } from '../errors/suggest.ts';

const secretKey = /pass(?:word|wd|phrase|code)|secret|token|credential|(?:api|access|private)_?key/i;

/** Returns true for the name of a field whose value is a secret. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key);
}

/**
 * Validates a configuration against a valibot schema.
 *
 * @throws {@link InvalidConfigError} if it is invalid. It lists every problem with its path, the value (secrets masked), what is
 *   allowed, and a suggestion for a misspelt key.
 */
export function validateConfig<S extends v.GenericSchema>(
  schema: S,
  input: unknown,
  path: string,
): v.InferOutput<S> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  throw new InvalidConfigError(result.issues.map((issue) => toProblem(issue, path)));
}

/** Converts a valibot issue to a problem of the configuration. */
export function toProblem(issue: v.BaseIssue<unknown>, root: string): ConfigProblem {
  const keys = (issue.path ?? []).map((item) => item.key);
  const path = keys.reduce<string>(appendKey, root) || 'config';
  const key = keys.at(-1);
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    return {
      path,
      message: unknownKey(String(key), Object.keys((issue.requirement as object | undefined) ?? {})),
      kind: 'unknown-field',
    };
  }
  if (issue.received === 'undefined') {
    return { path, message: `is required: expected ${wantedOf(issue, key) ?? issue.message}` };
  }
  return { path, message: `expected ${issue.message}, got ${shown(keys, issue.input)}` };
}

/** Returns the expected value of a missing field, whose issue belongs to the object around it. */
function wantedOf({ type, requirement }: v.BaseIssue<unknown>, key: unknown): string | undefined {
  if (type !== 'strict_object') return undefined;
  const entries = requirement as Readonly<Record<string, { readonly message?: unknown }>> | undefined;
  const message = entries?.[String(key)]?.message;
  return typeof message === 'string' ? message : undefined;
}

/** Appends a field or an item to a path. */
export function appendKey(path: string, key: unknown): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  const name = maskValue(String(key));
  return path === '' ? name : `${path}.${name}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  return `there is no field "${maskValue(key)}"; ${suggestion(key, known, 'fields')}`;
}

function shown(keys: readonly unknown[], value: unknown): string {
  if (keys.some((key) => typeof key === 'string' && isSecretKey(key))) return '[hidden]';
  // Masked before it is cut, because the cut could remove the "@" of a long URL.
  return quote(typeof value === 'string' ? maskValue(value) : value);
}
