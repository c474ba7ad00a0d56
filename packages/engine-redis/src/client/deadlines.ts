/** One timer for the deadlines of all commands of a connection: hardly one of them comes near its own. */
export class Deadlines {
  readonly #endLate: (now: number) => number;
  #timer: NodeJS.Timeout | undefined;
  #at: number = Number.POSITIVE_INFINITY;

  /** @param endLate - Ends what is late, and returns when the next will be, by `performance.now()`. */
  constructor(endLate: (now: number) => number) {
    this.#endLate = endLate;
  }

  /** There is something that will be late then. */
  watch(until: number): void {
    if (until < this.#at) this.#set(until);
    else this.#timer?.ref();
  }

  /** There is nothing now that could be late, and nothing for which the process has to live. */
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
    this.#timer = setTimeout(this.#look, Math.max(1, Math.ceil(at - performance.now())));
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    this.#at = Number.POSITIVE_INFINITY;
    const next = this.#endLate(performance.now());
    if (next < this.#at) this.#set(next);
  };
}
