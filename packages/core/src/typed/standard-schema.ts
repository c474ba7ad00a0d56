import { SchemaValidationError } from '../errors/errors.ts';

/**
 * The interface of schema libraries such as zod, valibot and arktype: version 1 of the Standard Schema specification, which
 * recommends copying it instead of depending on it. Source: https://standardschema.dev
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** Returns true for a Standard Schema, which may be an object or a function. */
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

/** The payload type that a publisher passes for a topic with this schema. */
export type SchemaInput<S> = S extends StandardSchema<infer Input, infer _> ? Input : never;

/** The payload type that a handler gets for a topic with this schema. */
export type SchemaOutput<S> = S extends StandardSchema<infer _, infer Output> ? Output : never;

/**
 * Validates a payload against the schema of its topic.
 *
 * @returns The output of the schema; a promise if the schema validates asynchronously.
 * @throws {@link SchemaValidationError} if the payload does not match.
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
