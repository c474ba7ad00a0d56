/** The maximum duration of a poll, and within which time the previous answer must have come. Milliseconds. */
const maxMs = 0.1;

/**
 * Polls for an answer that is due at any moment instead of sleeping until it comes: on one host, falling asleep and being woken take
 * as long as the answer itself. It polls only if the engine has published an event since the last time, because the answer may be
 * that event, and if the last answer came at once, so that a server on another host costs nothing. Other work of the process goes on
 * meanwhile (docs/decisions/0019).
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

  /** A command was sent. */
  begin(): void {
    const published = this.#published();
    this.#isOn = this.#wasPrompt && published !== this.#publishedBefore;
    this.#publishedBefore = published;
    this.#since = performance.now();
    if (!this.#isOn || this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(this.#turn);
  }

  /** The answer has arrived. */
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
