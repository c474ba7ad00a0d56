import * as v from 'valibot';
import { type ConfigProblem, InvalidConfigError, quote } from '../errors.ts';
import { closest } from './suggest.ts';

const secretKey = /password|secret|token|credential|apikey/i;

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

function toProblem(issue: v.BaseIssue<unknown>, root: string): ConfigProblem {
  const keys = (issue.path ?? []).map((item) => item.key);
  const path = keys.reduce<string>(appendKey, root) || 'config';
  const key = keys.at(-1);
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    return {
      path,
      message: unknownKey(String(key), Object.keys((issue.requirement as object | undefined) ?? {})),
    };
  }
  if (issue.received === 'undefined') return { path, message: `is required: expected ${issue.message}` };
  return { path, message: `expected ${issue.message}, got ${shown(key, issue.input)}` };
}

function appendKey(path: string, key: unknown): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? String(key) : `${path}.${String(key)}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const suggestion = closest(key, known);
  const hint =
    suggestion === undefined ? `the fields are ${known.join(', ')}` : `did you mean "${suggestion}"?`;
  return `there is no field "${key}"; ${hint}`;
}

function shown(key: unknown, value: unknown): string {
  if (typeof key === 'string' && secretKey.test(key)) return '[hidden]';
  return maskUrl(quote(value));
}

/** Text without the user and password of a URL in it. */
export function maskUrl(text: string): string {
  return text.replace(/(\w+:\/\/)[^/@\s"]+@/g, '$1[hidden]@');
}
