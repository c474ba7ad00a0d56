/** What an error concerns, beside its message. */
export interface PolybusErrorOptions {
  readonly cause?: unknown;
  readonly topic?: string | undefined;
  readonly engine?: string | undefined;
}

const brand = Symbol.for('polybus.error');

/**
 * The base of every error that polybus throws. `code` is stable over releases, the message is not.
 *
 * @example
 * ```ts
 * if (PolybusError.is(error) && error.code === 'EVENT_BUS_NOT_STARTED') await bus.start();
 * ```
 */
export class PolybusError extends Error {
  readonly code: string;
  readonly topic: string | undefined;
  readonly engine: string | undefined;

  constructor(code: string, message: string, options: PolybusErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.topic = options.topic;
    this.engine = options.engine;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for an error of any copy of `@polybus/core`, where `instanceof` sees only its own. */
  static is(error: unknown): error is PolybusError {
    return typeof error === 'object' && error !== null && brand in error;
  }
}

/** A short form of any value for a message; long text is cut, objects show their kind only. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`;
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : `an object of ${value.constructor?.name ?? 'no class'}`;
  }
  return String(value);
}
