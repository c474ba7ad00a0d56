import type { Subscription } from './contract.ts';
import { isPattern, matchesTopic } from './topics.ts';

/** The subscriptions that are on several engines of a router, so that each of them is counted once. */
export class SpanningSubscriptions {
  readonly #engines = new Map<Subscription, readonly string[]>();

  add(subscription: Subscription, engines: readonly string[], signal: AbortSignal | undefined): void {
    this.#engines.set(subscription, engines);
    signal?.addEventListener('abort', () => this.remove(subscription), { once: true });
  }

  remove(subscription: Subscription): void {
    this.#engines.delete(subscription);
  }

  clear(): void {
    this.#engines.clear();
  }

  /** How often more than once they are counted for a topic or pattern, over these engines. */
  surplus(topic: string, names: readonly string[]): number {
    let surplus = 0;
    for (const [subscription, engines] of this.#engines) {
      const isCounted = isPattern(topic)
        ? subscription.topic === topic
        : matchesTopic(subscription.topic, topic);
      if (isCounted) surplus += Math.max(0, engines.filter((name) => names.includes(name)).length - 1);
    }
    return surplus;
  }
}
