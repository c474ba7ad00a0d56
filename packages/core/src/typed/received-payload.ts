/** Types that JSON cannot represent. `publish` rejects them with `InvalidEventError`, so its type refuses them. */
type Unwritable =
  | bigint
  | symbol
  | RegExp
  | ArrayBuffer
  | PromiseLike<unknown>
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>;

/** JSON types, which need no conversion. This also ends the recursion for a type that refers to itself. */
type Json = Primitive | readonly Json[] | { readonly [name: string]: Json };

type Primitive = string | number | boolean | null | undefined;

// oxlint-disable-next-line typescript/no-explicit-any -- any function at all
type AnyFunction = (...args: any[]) => unknown;

/** True for `any` and `unknown`, about whose content nothing is known. */
type IsOpen<T> = unknown extends T ? true : false;

/**
 * The type that a handler gets for a payload type: its JSON value. A `Date`, or any type with `toJSON`, becomes the return type of
 * `toJSON`. A class instance keeps its fields and loses its methods. A type that JSON cannot represent becomes `never`.
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

/** The type that may be published for a payload type: the type itself, with `never` for parts that JSON cannot represent. */
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
