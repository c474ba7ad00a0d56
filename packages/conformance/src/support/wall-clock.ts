const RealDate = Date;

/**
 * Sets the time of day of this process, for `Date.now()` and `new Date()`. Timers and `performance.now()` are not affected, as on a
 * machine whose clock is set.
 */
export class WallClock {
  /** Sets the clock to the real time plus this many milliseconds, which may be negative. */
  set(byMs: number): void {
    const now = (): number => RealDate.now() + byMs;
    globalThis.Date = new Proxy(RealDate, {
      // A Date made from arguments is not shifted.
      construct: (_, given, target) =>
        Reflect.construct(RealDate, given.length === 0 ? [now()] : given, target) as Date,
      get: (_, name) => (name === 'now' ? now : (Reflect.get(RealDate, name) as unknown)),
    });
  }

  restore(): void {
    globalThis.Date = RealDate;
  }
}
