import { SchemaValidationError } from '../errors/errors.ts';

/**
 * What a schema library offers to be used by others: zod, valibot, arktype and more. The interface of the Standard Schema
 * specification, version 1, which asks to be copied rather than depended on. Source: https://standardschema.dev
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** True for what a schema library makes; some make functions. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return typeof standard?.validate === 'function';
}

type StandardResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a publisher gives to a topic with this schema. */
export type SchemaInput<S> = S extends StandardSchema<infer Input, infer _> ? Input : never;

/** What a handler gets from a topic with this schema. */
export type SchemaOutput<S> = S extends StandardSchema<infer _, infer Output> ? Output : never;

/**
 * Validates a payload.
 *
 * @returns what the schema made of it; a promise where the schema validates asynchronously.
 * @throws {@link SchemaValidationError}
 */
export function validatePayload(schema: StandardSchema, payload: unknown, topic: string): unknown {
  const result = schema['~standard'].validate(payload);
  return result instanceof Promise ? result.then((settled) => unwrap(settled, topic)) : unwrap(result, topic);
}

function unwrap(result: StandardResult<unknown>, topic: string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ message, path = [] }) => ({ path: pathOf(path), message }));
  throw new SchemaValidationError(topic, issues);
}

function pathOf(path: NonNullable<StandardIssue['path']>): string {
  return path.reduce<string>((text, segment) => {
    const key = typeof segment === 'object' ? segment.key : segment;
    return typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`;
  }, 'payload');
}
