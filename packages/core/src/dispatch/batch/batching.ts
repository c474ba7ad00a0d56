import type { HandlerContext } from '../../contract/bus.ts';

/** How a subscription wants its events handled in batches. */
export interface BatchPolicy {
  /** The maximum number of events in a batch. */
  readonly maxSize: number;
  /** The longest time that an event waits for a batch to be full, in milliseconds. */
  readonly maxWaitMs: number;
  /** Called before the attempts of a batch begin, with their contexts in order. */
  begins(contexts: readonly HandlerContext[]): void;
}

/** Decides when the next batch of a subscription begins: when it is full, or when its first event has waited for long enough. */
export class Batching {
  readonly policy: BatchPolicy;
  readonly #pump: () => void;
  #isDue = false;
  #isFinishing = false;
  #timer: NodeJS.Timeout | undefined = undefined;

  /** @param pump - Called when a batch is due. */
  constructor(policy: BatchPolicy, pump: () => void) {
    this.policy = policy;
    this.#pump = pump;
  }

  /** True while events wait for others of their batch. */
  get isFilling(): boolean {
    return this.#timer !== undefined;
  }

  /**
   * Whether a batch may begin now. If not, it will be due later.
   *
   * @param waiting - The number of events that can be in it.
   * @param isFull - Whether no more events can come.
   */
  mayBegin(waiting: number, isFull: boolean): boolean {
    if (waiting === 0) return false;
    const { maxSize, maxWaitMs } = this.policy;
    if (this.#isDue || this.#isFinishing || isFull || waiting >= maxSize || maxWaitMs === 0) return true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#isDue = true;
      this.#pump();
    }, maxWaitMs);
    return false;
  }

  /** A batch has begun: the events that are left wait for the next. */
  begun(): void {
    this.#isDue = false;
    this.close();
  }

  /** From now on, a batch begins with what there is. */
  finish(): void {
    this.#isFinishing = true;
    this.close();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
