import type { HandlerContext, Subscription } from '../contract/bus.ts';
import { ReleaseError } from '../dispatch/release-error.ts';
import type { Event } from '../contract/event.ts';

interface Offer<E> {
  readonly event: E;
  readonly acknowledge: () => void;
  readonly release: () => void;
}

/**
 * A subscription as an async iterator. An event is acknowledged when the loop requests the next one. If the loop ends with `break`,
 * `return` or `throw`, its last event is not acknowledged, so a durable engine delivers it again. The stream reads no more events from
 * the broker than the buffer of the subscription holds.
 */
export class EventStream<E extends Event = Event> implements AsyncIterableIterator<E>, AsyncDisposable {
  /** Resolves when the stream gets every event published from then on. Rejects if the subscription could not be made. */
  readonly ready: Promise<void>;
  readonly #subscription: Promise<Subscription>;
  readonly #onEnd: () => void;
  #offered: Offer<E> | undefined;
  #taken: Offer<E> | undefined;
  /** The pending `next` calls. */
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
    // A rejection must not end the process if nobody iterates. A loop gets the error from `next`.
    this.ready.catch(() => {});
  }

  /** True while a loop handles an event or waits for one. */
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
        release: () => {
          // Its attempt is over: a loop that calls `next` later must not get this event.
          if (this.#offered === offer) this.#offered = undefined;
          reject(new ReleaseError());
        },
      };
      const { release } = offer;
      signal.addEventListener('abort', release, { once: true });
      this.#offered = offer;
      if (this.#hasLeft) release();
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

  /** Ends the subscription. The last event that the loop got is not acknowledged. */
  async return(): Promise<IteratorResult<E, undefined>> {
    this.end();
    const { cancelled } = await this.#leave();
    this.#taken?.release();
    this.#taken = undefined;
    await cancelled;
    return { done: true, value: undefined };
  }

  /** Ends the loop after its current event. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const ask of this.#asking.splice(0)) ask({ done: true, value: undefined });
    this.#onEnd();
    void this.#leave();
  }

  /**
   * Cancels the subscription and then releases the event that no loop has taken. In the opposite order, the broker or the group could
   * deliver the event to this subscription again, endlessly.
   */
  #leave(): Promise<{ readonly cancelled: Promise<void> }> {
    return (this.#leaving ??= this.#subscription.then(
      (subscription) => {
        // If the bus has stopped meanwhile, there is nothing to cancel.
        const cancelled = subscription.cancel().catch(() => {});
        this.#hasLeft = true;
        this.#offered?.release();
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
