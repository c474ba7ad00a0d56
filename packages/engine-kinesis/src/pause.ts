/** A pause that can be cut short. One at a time. */
export class Pause {
  #timer: NodeJS.Timeout | undefined;
  #end: (() => void) | undefined;
  #isAwake = false;

  /** Resolves after the time, or when woken; at once where it was woken since the last pause. Infinity waits for that alone. */
  wait(ms: number): Promise<void> {
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

export { backoffMs } from '@polybus/core/engine-kit';
