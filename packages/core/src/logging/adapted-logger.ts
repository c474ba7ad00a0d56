import type { Logger } from '../contract/observing.ts';
import { describeError, isError } from '../errors/describe-error.ts';

type Fields = Readonly<Record<string, unknown>>;
type Level = keyof Logger;

/**
 * A logger as the bus calls it, whatever kind it is. Its errors show in JSON, and it never throws: neither a broken logger nor an error
 * that cannot be shown may end a delivery.
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
        // There is nowhere left to say so.
      }
    };
  };
  return {
    // Absent where the logger has none, so that nothing is put together for it.
    ...(logger.debug === undefined ? {} : { debug: at('debug') }),
    ...(logger.info === undefined ? {} : { info: at('info') }),
    warn: at('warn'),
    error: at('error'),
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** True for pino, which has `bindings`, and for bunyan, which has `addSerializers`, and for what has the same methods. */
function takesFieldsFirst(logger: object): boolean {
  return 'bindings' in logger || 'addSerializers' in logger;
}

function withShownErrors(fields: Fields): Fields {
  const shown = Object.entries(fields).map(([name, value]) => [name, isError(value) ? inJson(value) : value]);
  return Object.fromEntries(shown) as Fields;
}

/** JSON makes `{}` of an error. This is the same error, except that JSON shows it: loggers and formats that know errors see one. */
function inJson(error: Error): Error {
  return new Proxy(error, {
    get: (target, name): unknown =>
      name === 'toJSON' ? () => jsonOf(target, maxCauses) : Reflect.get(target, name, target),
  });
}

/** How many causes of causes are shown: they may go in a circle. */
const maxCauses = 8;

function jsonOf(error: Error, causes: number): Fields {
  const { name, message, stack } = describeError(error);
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(stack === null ? {} : { stack }),
    ...(isError(cause) && causes > 0 ? { cause: jsonOf(cause, causes - 1) } : {}),
    ...(error instanceof AggregateError && causes > 0
      ? { errors: error.errors.map((inner: unknown) => (isError(inner) ? jsonOf(inner, causes - 1) : inner)) }
      : {}),
  };
}
