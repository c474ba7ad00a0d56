import { types } from 'node:util';
/** An error as plain text. */
export interface ErrorDescription {
  readonly name: string;
  readonly message: string;
  readonly stack: string | null;
}

/** True for any error, also of another realm, as those of Node itself are in a test that runs in a `vm` context. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** Describes a thrown value, which need not be an Error, as plain text. */
export function describeError(error: unknown): ErrorDescription {
  try {
    if (isError(error)) {
      // These properties can have values of any type.
      const { name, message, stack }: { name: unknown; message: unknown; stack?: unknown } = error;
      return {
        name: String(name),
        message: String(message),
        stack: typeof stack === 'string' ? stack : null,
      };
    }
  } catch {
    // The error throws when its properties are read. Its dead letter is written anyway.
  }
  return { name: 'NonError', message: textOf(error), stack: null };
}

function textOf(value: unknown): string {
  try {
    return typeof value === 'object' && value !== null ? (JSON.stringify(value) ?? 'unknown') : String(value);
  } catch {
    return 'a value that cannot be shown';
  }
}
