import * as v from 'valibot';
import { type ConfigProblem, InvalidConfigError } from '../errors/config-errors.ts';
import { quote } from '../errors/polybus-error.ts';
import { maskValue } from '../errors/mask.ts';
import { suggestion } from '../errors/suggest.ts';

const secretKey = /pass(?:word|wd|phrase|code)|secret|token|credential|(?:api|access|private)_?key/i;

/** True for the name of a field whose value is not to be shown. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key);
}

/**
 * Validates a configuration against a valibot schema and reports every problem at once, each with its path, the value
 * (secrets masked), what is allowed, and a suggestion for a misspelt key.
 *
 * @throws {@link InvalidConfigError}
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

/** What is wrong, as a reader of the configuration understands it. */
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

/** What a field has to be that is not there: the issue is that of the object around it. */
function wantedOf({ type, requirement }: v.BaseIssue<unknown>, key: unknown): string | undefined {
  if (type !== 'strict_object') return undefined;
  const entries = requirement as Readonly<Record<string, { readonly message?: unknown }>> | undefined;
  const message = entries?.[String(key)]?.message;
  return typeof message === 'string' ? message : undefined;
}

/** The path of a field, or of an item, of what is at a path. */
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
  // Masked before it is cut: of a long URL, the "@" might be gone.
  return quote(typeof value === 'string' ? maskValue(value) : value);
}
