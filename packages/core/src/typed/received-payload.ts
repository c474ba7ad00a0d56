/** Values that JSON cannot represent, even with `toJSON`. A `Uint8Array` is allowed as the whole payload only. */
type Unwritable = bigint | symbol | AnyFunction | ArrayBuffer | ArrayBufferView;

/** Objects whose content JSON loses, unless they have `toJSON`. */
type WithoutContent =
  | RegExp
  | PromiseLike<unknown>
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakMap<WeakKey, unknown>
  | WeakSet<WeakKey>;

/** JSON types, which need no conversion. This also ends the recursion for a type that refers to itself. */
type Json = Primitive | readonly JsonItem[] | { readonly [name: string]: Json };

/** JSON has no `undefined` in an array: it becomes `null`. */
type JsonItem = Exclude<Primitive, undefined> | readonly JsonItem[] | { readonly [name: string]: Json };

type Primitive = string | number | boolean | null | undefined;

// oxlint-disable-next-line typescript/no-explicit-any -- any function at all
type AnyFunction = (...args: any[]) => unknown;

/** True for `any` and `unknown`, about whose content nothing is known. */
type IsOpen<T> = unknown extends T ? true : false;

/** True for a type of errors. An object that only has the fields of an error, such as `{ name: string; message: string }`, is none. */
type IsError<T> = T extends Error
  ? 'stack' | 'cause' extends keyof T
    ? IsOpen<T['cause' & keyof T]>
    : false
  : false;

/**
 * The type that a handler gets for a payload type: its JSON value. A `Date`, or any type with `toJSON`, becomes the return type of
 * `toJSON`. A class instance keeps its fields and loses its methods. `undefined` in an array becomes `null`. A type that JSON cannot
 * represent becomes `never`.
 */
export type ReceivedPayload<T> =
  IsOpen<T> extends true ? T : T extends Uint8Array ? Uint8Array : ReceivedValue<T>;

type ReceivedValue<T> =
  IsOpen<T> extends true
    ? T
    : [T] extends [Json]
      ? T
      : T extends Primitive
        ? T
        : T extends Unwritable
          ? never
          : T extends { toJSON(key: string): infer Value }
            ? ReceivedValue<Value>
            : T extends WithoutContent
              ? never
              : IsError<T> extends true
                ? never
                : T extends readonly unknown[]
                  ? { [K in keyof T]: ReceivedItem<T[K]> }
                  : { [K in keyof T as T[K] extends AnyFunction ? never : K]: ReceivedValue<T[K]> };

type ReceivedItem<T> =
  IsOpen<T> extends true
    ? T
    : undefined extends T
      ? Exclude<ReceivedValue<T>, undefined> | null
      : ReceivedValue<T>;

/** The type that may be published for a payload type: the type itself, with `never` for parts that JSON cannot represent. */
export type PublishedPayload<T> = IsOpen<T> extends true ? T : T extends Uint8Array ? T : PublishedValue<T>;

type PublishedValue<T> =
  IsOpen<T> extends true
    ? T
    : [T] extends [Json]
      ? T
      : T extends Primitive
        ? T
        : T extends Unwritable
          ? never
          : T extends { toJSON(key: string): infer Value }
            ? [Value] extends [PublishedValue<Value>]
              ? T
              : never
            : T extends WithoutContent
              ? never
              : IsError<T> extends true
                ? never
                : T extends readonly unknown[]
                  ? { [K in keyof T]: PublishedValue<T[K]> }
                  : { [K in keyof T]: T[K] extends AnyFunction ? T[K] : PublishedValue<T[K]> };
