const releases = new WeakSet<object>();

/** Thrown by handlers of core that release an event to its broker instead of failing it. */
export class ReleaseError extends Error {
  constructor() {
    super();
    releases.add(this);
  }

  /** Like `instanceof`. A handler may throw an object on which `instanceof` itself throws. */
  static is(error: unknown): error is ReleaseError {
    return releases.has(error as object);
  }
}

/**
 * True for an error that ended an attempt by releasing its event, such as the attempt of a `bus.events()` loop that was left.
 * Middleware that tells failures from successes checks this.
 */
export function isReleaseError(error: unknown): boolean {
  return ReleaseError.is(error);
}
