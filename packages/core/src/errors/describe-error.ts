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

/** Whatever a handler threw, as plain text: it need not be an Error. */
export function describeError(error: unknown): ErrorDescription {
  try {
    if (isError(error)) {
      // Anything can be assigned to these.
      const { name, message, stack }: { name: unknown; message: unknown; stack?: unknown } = error;
      return {
        name: String(name),
        message: String(message),
        stack: typeof stack === 'string' ? stack : null,
      };
    }
  } catch {
    // It throws while it is read; its dead letter is written all the same.
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
