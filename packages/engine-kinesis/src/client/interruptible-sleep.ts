/** A sleep that `wake` ends early. There is one sleeper at a time. */
export class InterruptibleSleep {
  #timer: NodeJS.Timeout | undefined;
  #end: (() => void) | undefined;
  #isAwake = false;

  /**
   * Resolves after the time, or when woken. Resolves immediately if `wake` was called since the last sleep. With `Infinity`, only `wake`
   * ends the sleep.
   */
  sleep(ms: number): Promise<void> {
    if (this.#isAwake || ms <= 0) {
      this.#isAwake = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#end = resolve;
      if (ms !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.wake(), Math.ceil(ms));
    });
  }

  wake(): void {
    const end = this.#end;
    if (end === undefined) {
      this.#isAwake = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = this.#end = undefined;
    end();
  }
}
