import { InvalidEventError } from '../errors/errors.ts';
import { quote } from '../errors/polybus-error.ts';

/** A value nested deeper than this is searched for a cycle; most payloads are never that deep. */
const suspiciousDepth = 64;

/**
 * Converts a value to its JSON value. A value that JSON represents unchanged is returned as it is, without a copy. A `Date`, a class
 * instance or an object with `toJSON` is converted.
 *
 * A top-level `Uint8Array` is returned as it is: CloudEvents carries it as `data_base64`.
 *
 * @throws {@link InvalidEventError} for values that JSON loses or cannot represent: cycles, BigInt, functions, symbols, NaN and
 *   infinite numbers, Map, Set, nested binary data, errors and promises.
 */
export function toJsonValue(value: unknown, field: string, topic: string): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || value === undefined)
    return value;
  try {
    if (value instanceof Uint8Array || isPlainJson(value, 0)) return value;
    // Some value is not plain JSON: walk again with a path, so that the error can name it.
    explain(value, field, topic, []);
    const text: string | undefined = JSON.stringify(value);
    return text === undefined ? undefined : JSON.parse(text);
  } catch (cause) {
    if (cause instanceof InvalidEventError) throw cause;
    throw new InvalidEventError(field, 'throws an error when it is read; publish plain data', {
      topic,
      cause,
    });
  }
}

/**
 * Returns true if `JSON.parse(JSON.stringify(value))` equals the value. Properties whose key is a symbol do not count: a look for them
 * would cost more than all other tests together.
 */
function isPlainJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      // JSON has no minus zero.
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      break;
    case 'undefined':
    case 'bigint':
    case 'function':
    case 'symbol':
      return false;
  }
  if (value === null) return true;
  if (depth > suspiciousDepth) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlainJson(value[i], depth + 1)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return false;
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    // JSON omits an undefined property, which reads the same.
    if (item !== undefined && !isPlainJson(item, depth + 1)) return false;
  }
  return true;
}

function explain(value: unknown, field: string, topic: string, ancestors: object[]): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return;
    case 'number':
      if (Number.isFinite(value)) return;
      throw new InvalidEventError(
        field,
        `is ${value}, which JSON cannot represent; publish null or a string`,
        {
          topic,
        },
      );
    case 'bigint':
      throw new InvalidEventError(
        field,
        'is a BigInt, which JSON cannot represent; publish value.toString()',
        {
          topic,
        },
      );
    case 'function':
    case 'symbol':
      throw refuse(field, value, topic);
    case 'object':
      break;
  }
  if (value === null) return;
  const object = value;
  if (ancestors.includes(object)) {
    throw new InvalidEventError(
      field,
      'refers back to an object that contains it; publish a tree without cycles',
      {
        topic,
      },
    );
  }
  if (ancestors.length > 1000) {
    const start = `${field.slice(0, 100)}…`;
    throw new InvalidEventError(start, 'is nested more than 1000 levels deep; publish a flatter value', {
      topic,
    });
  }
  const { toJSON } = object as { toJSON?: unknown };
  if (ArrayBuffer.isView(object) || object instanceof ArrayBuffer) {
    throw new InvalidEventError(
      field,
      'is binary data inside the payload; publish a Uint8Array as the whole payload, or base64 text here',
      { topic },
    );
  }
  if (object instanceof Date && Number.isNaN(object.getTime())) {
    throw new InvalidEventError(field, 'is an invalid Date, which JSON turns into null; publish null', {
      topic,
    });
  }
  ancestors.push(object);
  if (typeof toJSON === 'function') {
    explain((object as { toJSON(key: string): unknown }).toJSON(''), field, topic, ancestors);
  } else if (Array.isArray(object)) {
    object.forEach((item, i) => explain(item, `${field}[${i}]`, topic, ancestors));
  } else {
    if (losesItsContent(object)) throw refuse(field, value, topic);
    for (const [key, item] of Object.entries(object)) explain(item, `${field}.${key}`, topic, ancestors);
  }
  ancestors.pop();
}

/** Returns true for objects that have content and that JSON writes as `{}`. */
function losesItsContent(object: object): boolean {
  return (
    object instanceof Map ||
    object instanceof Set ||
    object instanceof WeakMap ||
    object instanceof WeakSet ||
    object instanceof Promise ||
    object instanceof Error ||
    object instanceof RegExp
  );
}

function refuse(field: string, value: unknown, topic: string): InvalidEventError {
  const advice =
    value instanceof Map
      ? 'Object.fromEntries(map)'
      : value instanceof Set
        ? '[...set]'
        : value instanceof Error
          ? '{ message: error.message }'
          : 'a plain value';
  return new InvalidEventError(field, `is ${quote(value)}, which JSON cannot represent; publish ${advice}`, {
    topic,
  });
}
