/** How long one lasts at most, and how soon the answer before must have come, in milliseconds. */
const maxMs = 0.1;

/**
 * Polls for an answer that is due any moment in place of sleeping until it comes: on one host, falling asleep and being
 * woken takes as long as the answer itself. Only where the engine has published something since the last time, so that the
 * answer may be that event, and where the last answer came at once, so that a server that is farther away costs nothing.
 * Everything else in the process goes on meanwhile (docs/decisions/0019).
 */
export class BusyPoll {
  readonly #published: () => number;
  #publishedBefore = 0;
  #since = Number.NEGATIVE_INFINITY;
  #wasPrompt = false;
  #isOn = false;
  #isTurning = false;

  /** @param published - How many events the engine has published so far. */
  constructor(published: () => number) {
    this.#published = published;
  }

  /** Something was sent, and its answer is awaited. */
  begin(): void {
    const published = this.#published();
    this.#isOn = this.#wasPrompt && published !== this.#publishedBefore;
    this.#publishedBefore = published;
    this.#since = performance.now();
    if (!this.#isOn || this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(this.#turn);
  }

  /** The answer is there. */
  end(): void {
    this.#isOn = false;
    this.#wasPrompt = this.#isPrompt;
  }

  get #isPrompt(): boolean {
    return performance.now() - this.#since < maxMs;
  }

  readonly #turn = (): void => {
    this.#isTurning = this.#isOn && this.#isPrompt;
    if (this.#isTurning) setImmediate(this.#turn);
  };
}
