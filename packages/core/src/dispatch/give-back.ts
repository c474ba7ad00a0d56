const givenBack = new WeakSet<object>();

/** Thrown into the queue by handlers of ours that give an event back instead of failing it. */
export class GiveBack extends Error {
  constructor() {
    super();
    givenBack.add(this);
  }

  /** As `instanceof`, which what a handler threw may trap and throw from. */
  static is(error: unknown): error is GiveBack {
    return givenBack.has(error as object);
  }
}

/**
 * True for what ends an attempt that gave its event back instead of failing it, such as one of a `bus.events()` loop that was
 * left. Middleware that tells failures from successes asks this.
 */
export function isGivenBack(error: unknown): boolean {
  return GiveBack.is(error);
}
