/** What JSON cannot write: `publish` rejects with `InvalidEventError`, so its type refuses it. */
type Unwritable =
  | bigint
  | symbol
  | RegExp
  | ArrayBuffer
  | PromiseLike<unknown>
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>;

/** Left as it is, so that a type that refers to itself ends. */
type Json = Primitive | readonly Json[] | { readonly [name: string]: Json };

type Primitive = string | number | boolean | null | undefined;

// oxlint-disable-next-line typescript/no-explicit-any -- any function at all
type AnyFunction = (...args: any[]) => unknown;

/** True for `any` and `unknown`: of what is in there nothing is known. */
type IsOpen<T> = unknown extends T ? true : false;

/**
 * What a handler receives of a payload type: what JSON makes of it. A `Date`, and whatever has `toJSON`, becomes what that returns; a
 * class instance keeps its fields and loses its methods; what JSON cannot write becomes `never`.
 */
export type ReceivedPayload<T> =
  IsOpen<T> extends true
    ? T
    : [T] extends [Json]
      ? T
      : T extends Primitive | Uint8Array
        ? T
        : T extends Unwritable | AnyFunction
          ? never
          : T extends { toJSON(): infer Json }
            ? ReceivedPayload<Json>
            : T extends readonly unknown[]
              ? { [K in keyof T]: ReceivedPayload<T[K]> }
              : { [K in keyof T as T[K] extends AnyFunction ? never : K]: ReceivedPayload<T[K]> };

/** What may be published of a payload type: the type itself, with `never` for what JSON cannot write. */
export type PublishedPayload<T> =
  IsOpen<T> extends true
    ? T
    : [T] extends [Json]
      ? T
      : T extends Primitive | Uint8Array | { toJSON(): unknown }
        ? T
        : T extends Unwritable | AnyFunction
          ? never
          : T extends readonly unknown[]
            ? { [K in keyof T]: PublishedPayload<T[K]> }
            : { [K in keyof T]: T[K] extends AnyFunction ? T[K] : PublishedPayload<T[K]> };
