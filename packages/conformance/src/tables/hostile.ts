/* oxlint-disable unicorn/no-thenable -- thenables are what handlers return here. */

function refuse(): never {
  throw new Error('do not look');
}

/** An error whose properties throw when they are read. */
export const hostileError: Error = new Proxy(new Error('hidden'), {
  get: refuse,
  has: refuse,
  ownKeys: refuse,
  getPrototypeOf: refuse,
});

/** Thenables that a handler may return instead of a promise: two succeed and three fail. */
export const thenables: readonly unknown[] = [
  { then: (resolve: () => void) => setImmediate(resolve) },
  {
    then: (resolve: () => void) => {
      resolve();
      resolve();
    },
  },
  { then: (_: unknown, reject: (error: unknown) => void) => reject(new Error('rejected')) },
  { then: refuse },
  {
    get then(): never {
      return refuse();
    },
  },
];
