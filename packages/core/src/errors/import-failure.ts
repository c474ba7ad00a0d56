import { MissingPackageError } from './config-errors.ts';
import type { PolybusErrorOptions } from './polybus-error.ts';

/** True if a module was not found. webpack and Jest report that with the code of `require`. */
export function isModuleNotFound(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}

/**
 * Returns the error to throw if the import of an optional package failed: a {@link MissingPackageError} if the package is not installed,
 * else the failure itself. Import the package in a `try` block: a bundler then accepts that it is not installed.
 */
export function importFailure(
  cause: unknown,
  name: string,
  purpose: string,
  options: PolybusErrorOptions = {},
): unknown {
  return isModuleNotFound(cause) ? new MissingPackageError(name, purpose, { ...options, cause }) : cause;
}
