/* oxlint-disable unicorn/no-thenable -- thenables are what handlers return here. */

function refuse(): never {
  throw new Error('do not look');
}

/** Something to throw that throws in its turn whenever it is looked at. */
export const hostileError: Error = new Proxy(new Error('hidden'), {
  get: refuse,
  has: refuse,
  ownKeys: refuse,
  getPrototypeOf: refuse,
});

/** What handlers may return in place of a promise: two that succeed, and three that fail. */
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
