import type { Subscription } from './contract.ts';
import type { Lifecycle } from './lifecycle.ts';

interface Routed {
  /** What the router made of it. */
  readonly subscription: Subscription;
  readonly unlink: () => void;
}

/** The subscriptions made on a bus, and the lifecycle events of their coming and going. */
export class BusSubscriptions {
  readonly #lifecycle: Lifecycle;
  readonly #routed = new Map<Subscription, Routed>();
  readonly #made = new WeakSet<Subscription>();
  readonly #cancelledEarly = new WeakSet<Subscription>();

  constructor(lifecycle: Lifecycle) {
    this.#lifecycle = lifecycle;
  }

  /** Notes a subscription that is being made: its handler may already receive, and cancel it. */
  begin(subscription: Subscription): void {
    this.#made.add(subscription);
  }

  /** True for any subscription that was ever made here. */
  knows(subscription: Subscription): boolean {
    return this.#made.has(subscription);
  }

  /** Adds what the router made; a signal that aborts cancels it from now on. */
  async add(
    subscription: Subscription,
    routed: Subscription,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { id, topic, isAsync, engine, group } = subscription;
    const cancel = (): void => void subscription.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    const isNewTopic = !this.#hasTopic(topic);
    this.#routed.set(subscription, {
      subscription: routed,
      unlink: () => signal?.removeEventListener('abort', cancel),
    });
    if (isNewTopic) this.#lifecycle.emit('topic.created', { topic, engine });
    this.#lifecycle.emit('subscription.created', { topic, isAsync, engine, group, subscription: id });
    if (this.#cancelledEarly.has(subscription)) await this.remove(subscription);
  }

  /** Cancels it in the router, and forgets it. */
  async remove(subscription: Subscription): Promise<void> {
    const routed = this.#routed.get(subscription);
    if (routed === undefined) {
      this.#cancelledEarly.add(subscription);
      return;
    }
    await routed.subscription.cancel();
    this.#forget(subscription);
  }

  /** Forgets all, when the router has stopped. */
  forgetAll(): void {
    for (const subscription of this.#routed.keys()) this.#forget(subscription);
  }

  #forget(subscription: Subscription): void {
    const routed = this.#routed.get(subscription);
    if (routed === undefined) return;
    this.#routed.delete(subscription);
    routed.unlink();
    const { id, topic, isAsync, engine, group } = subscription;
    this.#lifecycle.emit('subscription.removed', { topic, isAsync, engine, group, subscription: id });
    if (!this.#hasTopic(topic)) this.#lifecycle.emit('topic.deleted', { topic, engine });
  }

  #hasTopic(topic: string): boolean {
    for (const subscription of this.#routed.keys()) if (subscription.topic === topic) return true;
    return false;
  }
}
