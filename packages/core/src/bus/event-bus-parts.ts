import { hasFields } from '../config/schema.ts';
import type { Logger } from '../contract/observing.ts';
import type { RawRecord } from '../contract/transport.ts';
import { type StandardSchema, isStandardSchema } from '../typed/standard-schema.ts';
import type { Observer } from './lifecycle-events.ts';
import type { Middleware } from './middleware.ts';
import { closest } from '../errors/suggest.ts';
import { type ConfigProblem, InvalidConfigError } from '../errors/config-errors.ts';
import { quote } from '../errors/polybus-error.ts';
import { assertTopic } from '../contract/topics.ts';

/** The parts of a bus that only code can provide, besides its configuration. */
export interface EventBusParts {
  /** A Standard Schema (zod, valibot, arktype, …) per topic. It validates payloads at publish and before they are handled. */
  readonly schemas?: Readonly<Record<string, StandardSchema>> | undefined;
  readonly middleware?: Middleware | undefined;
  /** The logger: `console`, winston, pino, bunyan or any {@link Logger}. Default: warnings and errors go to the console. */
  readonly logger?: Logger | undefined;
  /** Observers of lifecycle events, starting with the first event. */
  readonly observers?: readonly Observer[] | undefined;
  /** Called for each record that cannot be decoded, instead of writing a dead letter. */
  readonly onUndecodable?: ((record: RawRecord) => unknown) | undefined;
}

const partNames = {
  schemas: true,
  middleware: true,
  logger: true,
  observers: true,
  onUndecodable: true,
} satisfies Record<keyof EventBusParts, true>;

/**
 * Validates the parts of a bus. The configuration has its own schema.
 *
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function assertParts(options: EventBusParts, configFields: readonly string[]): void {
  assertConfigObject(options);
  const problems = [
    ...misspelt(options, configFields),
    ...inSchemas(options.schemas),
    ...inMiddleware(options.middleware),
    ...inLogger(options.logger),
    ...listOf('observers', options.observers),
    ...functionAt('onUndecodable', options.onUndecodable),
  ];
  if (problems.length > 0) throw new InvalidConfigError(problems);
}

/** @throws {@link InvalidConfigError} for a value whose fields would be ignored, such as a promise. */
export function assertConfigObject(value: unknown): void {
  if (hasFields(value)) return;
  const isPromise = typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
  const expected = isPromise
    ? 'an object; await the promise of loadConfig()'
    : 'an object with fields such as "engine"';
  throw new InvalidConfigError([wrong('config', expected, value)]);
}

/** Finds misspelt names of parts. The schema of the configuration refuses every other unknown field. */
function misspelt(options: object, configFields: readonly string[]): ConfigProblem[] {
  return Object.keys(options).flatMap((name) => {
    if (configFields.includes(name) || Object.hasOwn(partNames, name)) return [];
    const meant = closest(name, Object.keys(partNames));
    if (meant === undefined || closest(name, [...configFields, meant]) !== meant) return [];
    return [
      { path: name, message: `there is no field "${name}"; did you mean "${meant}"?`, kind: 'unknown-field' },
    ];
  });
}

function inSchemas(schemas: unknown): ConfigProblem[] {
  if (schemas === undefined) return [];
  if (!isObject(schemas)) return [wrong('schemas', 'an object with a schema per topic', schemas)];
  return Object.entries(schemas).flatMap(([topic, schema]) => {
    const path = `schemas[${JSON.stringify(topic)}]`;
    const problems: ConfigProblem[] = [];
    try {
      assertTopic(topic);
    } catch (error) {
      problems.push({
        path,
        message: `a schema belongs to one topic, not to a pattern. ${(error as Error).message}`,
      });
    }
    if (!isStandardSchema(schema))
      problems.push(wrong(path, 'a Standard Schema, as zod, valibot and arktype make them', schema));
    return problems;
  });
}

function inMiddleware(middleware: unknown): ConfigProblem[] {
  if (middleware === undefined) return [];
  if (!isObject(middleware)) return [wrong('middleware', 'an object { publish, handle }', middleware)];
  const { publish, handle, ...rest } = middleware;
  const unknown = Object.keys(rest).map((name) => ({
    path: `middleware.${name}`,
    message: `there is no field "${name}"; the fields are publish, handle`,
  }));
  return [...unknown, ...listOf('middleware.publish', publish), ...listOf('middleware.handle', handle)];
}

function inLogger(logger: unknown): ConfigProblem[] {
  if (logger === undefined) return [];
  const { warn, error } = isObject(logger) ? logger : {};
  if (typeof warn === 'function' && typeof error === 'function') return [];
  return [wrong('logger', 'a logger with the functions warn and error, as console is one', logger)];
}

function listOf(path: string, list: unknown): ConfigProblem[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) return [wrong(path, 'a list of functions', list)];
  return list.flatMap((item: unknown, i) => functionAt(`${path}[${i}]`, item ?? null));
}

function functionAt(path: string, value: unknown): ConfigProblem[] {
  return value === undefined || typeof value === 'function' ? [] : [wrong(path, 'a function', value)];
}

function wrong(path: string, expected: string, got: unknown): ConfigProblem {
  return { path, message: `expected ${expected}, got ${quote(got)}` };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    (typeof value === 'object' && value !== null && !Array.isArray(value)) || typeof value === 'function'
  );
}
