import { type Acknowledgement, type EndWait, type Receiver, insideHandler } from '@polybus/core/engine';
import type { TopicLoad } from './topic-load.ts';

/** The wait of one publish, for its sync handlers, and for room if a buffer is full. */
export class PublishWait implements Acknowledgement {
  readonly load: TopicLoad;
  /** Only a wait of a handler can be a deadlock. */
  readonly #isOfHandler = insideHandler();
  #remaining = 0;
  #ends: EndWait[] | undefined = undefined;
  #resolve: (() => void) | undefined = undefined;

  constructor(load: TopicLoad) {
    this.load = load;
  }

  /** Waits for another receiver. Returns false if that wait would be a deadlock. */
  add(receiver: Receiver): boolean {
    if (this.#isOfHandler) {
      const leave = receiver.beginWait();
      if (leave === false) return false;
      if (leave !== true) (this.#ends ??= []).push(leave);
    }
    this.#remaining++;
    return true;
  }

  /** A receiver is done. */
  done(): void {
    if (--this.#remaining > 0) return;
    for (const end of this.#ends ?? []) end();
    this.#ends = undefined;
    this.#resolve?.();
  }

  settled(): void {
    this.load.settled();
    this.done();
  }

  release(): boolean {
    this.settled();
    return false;
  }

  /**
   * The event moves to another receiver. A handler does not wait for it any more, because the new receiver may itself wait for that
   * handler.
   *
   * @returns the acknowledgement to call from now on.
   */
  movedOn(): Acknowledgement {
    if (this.#ends === undefined) return this;
    this.done();
    return this.load;
  }

  /** Undefined if there is nothing to wait for. */
  promise(): Promise<void> | undefined {
    if (this.#remaining === 0) return undefined;
    return new Promise((resolve) => (this.#resolve = resolve));
  }
}
