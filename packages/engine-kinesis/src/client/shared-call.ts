/**
 * A call that many ask for and that is made a few times: one after another, and each who asks gets the result of one that began after
 * it had asked.
 */
export class SharedCall<T> {
  readonly #call: () => Promise<T>;
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  constructor(call: () => Promise<T>) {
    this.#call = call;
  }

  ask(): Promise<T> {
    if (this.#next === undefined) {
      this.#next = this.#after(this.#last);
      this.#last = this.#next.catch(() => {});
    }
    return this.#next;
  }

  async #after(last: Promise<unknown>): Promise<T> {
    await last;
    // Whoever asks from here on is too late for this one.
    this.#next = undefined;
    return this.#call();
  }
}
