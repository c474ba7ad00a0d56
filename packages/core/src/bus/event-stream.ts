import type { HandlerContext, Subscription } from '../contract/bus.ts';
import { ReleaseError } from '../dispatch/release-error.ts';
import type { Event } from '../contract/event.ts';

interface Offer<E> {
  readonly event: E;
  readonly acknowledge: () => void;
  readonly giveBack: () => void;
}

/**
 * A subscription as an async iterator. An event is acknowledged when the loop asks for the next one; an event whose turn
 * ends in `break`, `return` or `throw` is not acknowledged, so a durable engine delivers it again. The broker is asked for
 * no more than the subscription's buffer holds.
 */
export class EventStream<E extends Event = Event> implements AsyncIterableIterator<E>, AsyncDisposable {
  /** Resolves when nothing published from then on is missed; rejects where the subscription could not be made. */
  readonly ready: Promise<void>;
  readonly #subscription: Promise<Subscription>;
  readonly #onEnd: () => void;
  #offered: Offer<E> | undefined;
  #taken: Offer<E> | undefined;
  /** What `next` calls wait for. */
  readonly #asking: ((result: IteratorResult<E, undefined>) => void)[] = [];
  #ended = false;
  #hasLeft = false;
  #leaving: Promise<{ readonly cancelled: Promise<void> }> | undefined;

  constructor(
    subscribe: (handler: (event: E, context: HandlerContext) => Promise<void>) => Promise<Subscription>,
    onEnd: () => void,
  ) {
    this.#onEnd = onEnd;
    this.#subscription = subscribe((event, context) => this.#offer(event, context));
    this.ready = this.#subscription.then(() => {});
    // Who never iterates must not end the process by it; who does gets the error from `next`.
    this.ready.catch(() => {});
  }

  /** True while a loop has an event, or waits for one. */
  get isRead(): boolean {
    return this.#taken !== undefined || this.#asking.length > 0;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #offer(event: E, { signal }: HandlerContext): Promise<void> {
    return new Promise((resolve, reject) => {
      const offer: Offer<E> = {
        event,
        acknowledge: resolve,
        giveBack: () => {
          // Its attempt is over: a loop that asks only now must not get what is dealt with elsewhere.
          if (this.#offered === offer) this.#offered = undefined;
          reject(new ReleaseError());
        },
      };
      const { giveBack } = offer;
      signal.addEventListener('abort', giveBack, { once: true });
      this.#offered = offer;
      if (this.#hasLeft) giveBack();
      else this.#hand();
    });
  }

  #hand(): void {
    const offer = this.#ended ? undefined : this.#offered;
    const ask = offer === undefined ? undefined : this.#asking.shift();
    if (ask === undefined) return;
    this.#taken = offer;
    this.#offered = undefined;
    ask({ done: false, value: offer!.event });
  }

  async next(): Promise<IteratorResult<E, undefined>> {
    await this.ready;
    this.#taken?.acknowledge();
    this.#taken = undefined;
    if (this.#ended) return { done: true, value: undefined };
    return new Promise((resolve) => {
      this.#asking.push(resolve);
      this.#hand();
    });
  }

  /** Ends the subscription; the event that was handed out last is not acknowledged. */
  async return(): Promise<IteratorResult<E, undefined>> {
    this.end();
    const { cancelled } = await this.#leave();
    this.#taken?.giveBack();
    this.#taken = undefined;
    await cancelled;
    return { done: true, value: undefined };
  }

  /** Lets the loop finish the event it has, and ends it then. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const ask of this.#asking.splice(0)) ask({ done: true, value: undefined });
    this.#onEnd();
    void this.#leave();
  }

  /**
   * Leaves the subscription, and only then gives back what nobody has taken: before, the broker, or the group, might give it
   * to this very subscription again, without end.
   */
  #leave(): Promise<{ readonly cancelled: Promise<void> }> {
    return (this.#leaving ??= this.#subscription.then(
      (subscription) => {
        // Where the bus has stopped meanwhile there is nothing left to cancel.
        const cancelled = subscription.cancel().catch(() => {});
        this.#hasLeft = true;
        this.#offered?.giveBack();
        this.#offered = undefined;
        return { cancelled };
      },
      () => ({ cancelled: Promise.resolve() }),
    ));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
