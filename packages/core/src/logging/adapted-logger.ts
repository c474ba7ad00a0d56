import type { Logger } from '../contract/observing.ts';
import { describeError, isError } from '../errors/describe-error.ts';

type Fields = Readonly<Record<string, unknown>>;
type Level = keyof Logger;

/**
 * Adapts a logger of any supported kind. It makes errors visible in JSON, and it never throws, because neither a broken logger nor an
 * error that cannot be shown may end a delivery.
 */
export function adaptedLogger(logger: Logger): Logger {
  const isFieldsFirst = takesFieldsFirst(logger);
  const at = (level: Level): Logger['warn'] => {
    return (message, fields) => {
      try {
        const given = fields === undefined ? undefined : withShownErrors(fields);
        const write = logger[level] as (...args: unknown[]) => unknown;
        const written = isFieldsFirst
          ? write.call(logger, given ?? {}, message)
          : write.call(logger, message, ...(given === undefined ? [] : [given]));
        if (isThenable(written)) written.then(undefined, () => {});
      } catch {
        // A failure to log cannot be logged.
      }
    };
  };
  return {
    // Absent if the logger has none, so that no fields are created for it.
    ...(logger.debug === undefined ? {} : { debug: at('debug') }),
    ...(logger.info === undefined ? {} : { info: at('info') }),
    warn: at('warn'),
    error: at('error'),
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** Returns true for pino, which has `bindings`, for bunyan, which has `addSerializers`, and for loggers with these methods. */
function takesFieldsFirst(logger: object): boolean {
  return 'bindings' in logger || 'addSerializers' in logger;
}

function withShownErrors(fields: Fields): Fields {
  const shown = Object.entries(fields).map(([name, value]) => [name, isError(value) ? inJson(value) : value]);
  return Object.fromEntries(shown) as Fields;
}

/** Returns the same error with a `toJSON`, because JSON shows an error as `{}`. Loggers that know errors still get an Error. */
function inJson(error: Error): Error {
  return new Proxy(error, {
    get: (target, name): unknown =>
      name === 'toJSON' ? () => jsonOf(target, maxCauses) : Reflect.get(target, name, target),
  });
}

/** The maximum depth of nested causes, which may form a cycle. */
const maxCauses = 8;

function jsonOf(error: Error, causes: number): Fields {
  const { name, message, stack } = describeError(error);
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(stack === null ? {} : { stack }),
    ...(cause !== undefined && causes > 0 ? { cause: shownCause(cause, causes - 1) } : {}),
    ...(error instanceof AggregateError && causes > 0
      ? { errors: error.errors.map((inner: unknown) => shownCause(inner, causes - 1)) }
      : {}),
  };
}

/** A cause need not be an Error. Any other value is shown as text, because JSON may not be able to represent it. */
function shownCause(cause: unknown, causes: number): unknown {
  return isError(cause) ? jsonOf(cause, causes) : describeError(cause).message;
}
