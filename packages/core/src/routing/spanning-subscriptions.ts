import type { Subscription } from '../contract/bus.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import { isPattern, matchesTopic } from '../contract/topics.ts';

/** The subscriptions that use several engines of a router, so that each is counted once. */
export class SpanningSubscriptions {
  readonly #entries = new Map<
    Subscription,
    { readonly engines: readonly string[]; readonly unlink: () => void }
  >();

  add(subscription: Subscription, engines: readonly string[], signal: AbortSignal | undefined): void {
    const unlink = onAbort(signal, () => this.remove(subscription));
    this.#entries.set(subscription, { engines, unlink });
    // Aborted while the engines subscribed: the abort event is over.
    if (signal?.aborted === true) this.remove(subscription);
  }

  remove(subscription: Subscription): void {
    this.#entries.get(subscription)?.unlink();
    this.#entries.delete(subscription);
  }

  clear(): void {
    for (const { unlink } of this.#entries.values()) unlink();
    this.#entries.clear();
  }

  /** Returns how many times too often these engines together count them for a topic or pattern. */
  surplus(topic: string, names: readonly string[]): number {
    let surplus = 0;
    for (const [subscription, { engines }] of this.#entries) {
      const isCounted = isPattern(topic)
        ? subscription.topic === topic
        : matchesTopic(subscription.topic, topic);
      if (isCounted) surplus += Math.max(0, engines.filter((name) => names.includes(name)).length - 1);
    }
    return surplus;
  }
}
