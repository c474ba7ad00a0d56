/** The state of the loop that fetches from one broker: it sleeps if it has nothing to fetch, and knows what keeps it from reading. */
export class FetchLoop {
  #wake: (() => void) | undefined;
  /** Since when a fetch has no answer, by `performance.now()`. */
  #waitingSince: number | undefined;
  #failure: string | undefined;

  /** Waits for an answer, after which the broker counts as readable. */
  async waitFor<T>(answer: Promise<T>): Promise<T> {
    this.#waitingSince = performance.now();
    try {
      const answered = await answer;
      this.#failure = undefined;
      return answered;
    } finally {
      this.#waitingSince = undefined;
    }
  }

  failed(failure: string): void {
    this.#failure = failure;
  }

  /** @param answerMs - The longest time that a healthy broker takes for an answer. */
  troubleAfter(answerMs: number): string | undefined {
    if (this.#failure !== undefined) return `cannot be read: ${this.#failure}`;
    const since = this.#waitingSince;
    return since !== undefined && performance.now() - since > answerMs ? 'gives no answer' : undefined;
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
