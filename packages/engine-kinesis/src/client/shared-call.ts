/**
 * A call whose result several callers share. One call runs at a time, and each caller gets the result of a call that began after it
 * asked.
 */
export class SharedCall<T> {
  readonly #call: () => Promise<T>;
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  constructor(call: () => Promise<T>) {
    this.#call = call;
  }

  run(): Promise<T> {
    if (this.#next === undefined) {
      this.#next = this.#after(this.#last);
      this.#last = this.#next.catch(() => {});
    }
    return this.#next;
  }

  async #after(last: Promise<unknown>): Promise<T> {
    await last;
    // A caller that asks from here on is too late for this call.
    this.#next = undefined;
    return this.#call();
  }
}
