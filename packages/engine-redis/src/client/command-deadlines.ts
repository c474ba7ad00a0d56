/** One timer for the deadlines of all commands of a connection: few commands come near their deadline. */
export class Deadlines {
  readonly #endLate: (now: number) => number;
  #timer: NodeJS.Timeout | undefined;
  #at: number = Number.POSITIVE_INFINITY;

  /** @param endLate - Ends everything that is late, and returns the next deadline, by `performance.now()`. */
  constructor(endLate: (now: number) => number) {
    this.#endLate = endLate;
  }

  /** Adds a deadline. */
  watch(until: number): void {
    if (until < this.#at) this.#set(until);
    else this.#timer?.ref();
  }

  /** Nothing is pending, so the timer does not keep the process alive. */
  rest(): void {
    this.#timer?.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#at = Number.POSITIVE_INFINITY;
  }

  #set(at: number): void {
    clearTimeout(this.#timer);
    this.#at = at;
    this.#timer = setTimeout(this.#check, Math.max(1, Math.ceil(at - performance.now())));
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    this.#at = Number.POSITIVE_INFINITY;
    const next = this.#endLate(performance.now());
    if (next < this.#at) this.#set(next);
  };
}
