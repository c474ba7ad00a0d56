import { onAbort } from '../../engine-kit/on-abort.ts';

/** The end of a redrive: reached explicitly, after an idle time, or when the signal aborts. */
export class EndOfWork {
  readonly reached: Promise<void>;
  isReached = false;
  readonly #idleMs: number;
  readonly #unlink: () => void;
  #resolve!: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(idleMs: number, signal: AbortSignal | undefined) {
    this.#idleMs = idleMs;
    this.reached = new Promise((resolve) => (this.#resolve = resolve));
    this.#unlink = onAbort(signal, this.reach);
  }

  /** Starts the idle time. */
  begin(): void {
    if (!this.isReached && this.#timer === undefined) this.postpone();
  }

  postpone(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.reach, this.#idleMs);
  }

  readonly reach = (): void => {
    this.isReached = true;
    clearTimeout(this.#timer);
    this.#resolve();
  };

  close(): void {
    clearTimeout(this.#timer);
    this.#unlink();
  }
}
