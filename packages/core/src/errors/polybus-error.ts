/** The codes of the error classes in core. */
export const coreErrorCodes = [
  'CONFIG_FILE',
  'CONTRACT_VERSION',
  'DELIVERY_COUNT_EXCEEDED',
  'DUPLICATE_ENGINE_NAME',
  'ENGINE_NOT_FOUND',
  'EVENT_BUS_NOT_STARTED',
  'HANDLER_REQUIRED',
  'HANDLER_TIMEOUT',
  'INVALID_CONFIG',
  'INVALID_EVENT',
  'INVALID_OPTION',
  'INVALID_SUBSCRIPTION',
  'INVALID_TENANT',
  'INVALID_TOPIC',
  'MISSING_PACKAGE',
  'MISSING_VARIABLE',
  'MODULE_NOT_INITIALIZED',
  'NEXT_CALLED_TWICE',
  'NO_SUBJECT_FOR_EVENT_EMISSION',
  'PUBLISH_FAILED',
  'RECORD_TOO_LARGE',
  'SCHEMA_VALIDATION',
  'SHUTDOWN_TIMEOUT',
  'SUBSCRIPTION_NOT_FOUND',
  'UNDECODABLE_RECORD',
  'UNKNOWN_ENGINE_REFERENCE',
  'UNKNOWN_ENGINE_TYPE',
  'UNKNOWN_OPTION',
  'UNRECOVERABLE',
  'UNSUPPORTED_CAPABILITY',
] as const;

export type CoreErrorCode = (typeof coreErrorCodes)[number];

/** The code that several engines use: the broker cannot be reached. */
export type EngineErrorCode = 'CONNECTION_FAILED';

/**
 * The code of a {@link PolybusError}. The codes of core and of several engines are listed, so that editors complete them; an
 * engine may add codes of its own.
 */
export type ErrorCode = CoreErrorCode | EngineErrorCode | (string & {});

/** The cause, topic and engine of an error. */
export interface PolybusErrorOptions {
  readonly cause?: unknown;
  readonly topic?: string | undefined;
  readonly engine?: string | undefined;
}

const brand = Symbol.for('polybus.error');

/**
 * The base class of every error that polybus throws. `code` is stable across releases; the message is not.
 *
 * @example
 * ```ts
 * if (PolybusError.is(error) && error.code === 'EVENT_BUS_NOT_STARTED') await bus.start();
 * ```
 */
export class PolybusError extends Error {
  readonly code: ErrorCode;
  readonly topic: string | undefined;
  readonly engine: string | undefined;

  constructor(code: ErrorCode, message: string, options: PolybusErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.topic = options.topic;
    this.engine = options.engine;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Returns true for an error of any installed copy of `@polybus/core`; `instanceof` recognizes only errors of its own copy. */
  static is(error: unknown): error is PolybusError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** Returns a short form of any value for a message: long text is cut, and objects show only their class. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`;
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : `an object of ${value.constructor?.name ?? 'no class'}`;
  }
  return String(value);
}
