const RealDate = Date;

/**
 * The time of day as this process sees it, by `Date.now()` and `new Date()`. Timers and `performance.now()` go on as they did, as on a
 * machine whose clock somebody sets.
 */
export class WallClock {
  /** Sets it forward by so many milliseconds, or back, seen from the right time. */
  set(byMs: number): void {
    const now = (): number => RealDate.now() + byMs;
    globalThis.Date = new Proxy(RealDate, {
      // A date that was given stays what it is.
      construct: (_, given, target) =>
        Reflect.construct(RealDate, given.length === 0 ? [now()] : given, target) as Date,
      get: (_, name) => (name === 'now' ? now : (Reflect.get(RealDate, name) as unknown)),
    });
  }

  restore(): void {
    globalThis.Date = RealDate;
  }
}
