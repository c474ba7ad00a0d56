import type { EventBus, EventHandler, Subscription } from '../contract/bus.ts';
import { groupFor } from '../contract/tenant.ts';
import { assertTopicOrPattern } from '../contract/topics.ts';
import { assertOptionsOf } from '../engine/options/call-options.ts';
import { CancellableSubscription } from '../engine/engine-subscription.ts';
import {
  type InternalSubscribeOptions,
  batchOption,
  identityOption,
} from '../engine/options/subscribe-options.ts';
import { SubscriptionFlow } from '../dispatch/flow.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import type { Router } from '../routing/router.ts';
import type { Lifecycle } from './lifecycle-events.ts';

interface Routed {
  /** The subscription that the router made for it. */
  readonly subscription: Subscription;
  readonly unlink: () => void;
}

/** Makes and ends the subscriptions of a bus, and emits the lifecycle events of their creation and end. */
export class BusSubscriptions {
  readonly #router: Router;
  readonly #lifecycle: Lifecycle;
  readonly #routed = new Map<Subscription, Routed>();
  /** Subscriptions whose creation was announced and whose end was not. */
  readonly #announced = new Set<Subscription>();
  readonly #made = new WeakSet<Subscription>();
  readonly #cancelledEarly = new WeakSet<Subscription>();

  constructor(router: Router, lifecycle: Lifecycle) {
    this.#router = router;
    this.#lifecycle = lifecycle;
  }

  /** @param engineName - The only engine to subscribe on. Default: all engines that may carry the topic. */
  async subscribe(
    topic: string,
    handler: EventHandler<never>,
    isAsync: boolean,
    options: InternalSubscribeOptions,
    engineName?: string,
  ): Promise<Subscription> {
    assertTopicOrPattern(topic);
    assertOptionsOf('subscribe', options);
    const { tenant } = options;
    const engine = engineName ?? this.#router.enginesFor(topic, tenant).join(',');
    const target: EventBus = engineName === undefined ? this.#router : this.#router.engine(engineName);
    const subscription = new CancellableSubscription(
      { topic, isAsync, engine, group: groupFor(options.group, tenant) },
      (self) => this.remove(self),
      new SubscriptionFlow(!isAsync || options[batchOption] !== undefined),
    );
    const routedOptions: InternalSubscribeOptions = { ...options, [identityOption]: subscription };
    this.#begin(subscription);
    let routed: Subscription;
    try {
      routed = isAsync
        ? await target.subscribeAsync(topic, handler, routedOptions)
        : await target.subscribe(topic, handler, routedOptions);
    } catch (error) {
      this.#abort(subscription);
      throw error;
    }
    await this.#add(subscription, routed, options.signal);
    return subscription;
  }

  /** Registers a subscription that is being made, because its handler may already get events and cancel it. */
  #begin(subscription: Subscription): void {
    this.#made.add(subscription);
    this.#lifecycle.onFirstEvent(subscription.id, () => this.#announceCreation(subscription));
  }

  /** Removes a subscription that could not be made. */
  #abort(subscription: Subscription): void {
    this.#lifecycle.forget(subscription.id);
    this.#announceRemoval(subscription, 'failed');
  }

  /** Returns true for every subscription that this bus ever made. */
  knows(subscription: Subscription): boolean {
    return this.#made.has(subscription);
  }

  /** Adds the subscription that the router made. From now on its signal cancels it. */
  async #add(
    subscription: CancellableSubscription,
    routed: Subscription,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const unlink = onAbort(signal, () => void subscription.cancel());
    this.#routed.set(subscription, { subscription: routed, unlink });
    subscription.leads(routed);
    this.#lifecycle.announce(subscription.id);
    if (this.#cancelledEarly.has(subscription)) await this.remove(subscription);
  }

  /** Cancels the subscription in the router and removes it. */
  async remove(subscription: Subscription): Promise<void> {
    const routed = this.#routed.get(subscription);
    if (routed === undefined) {
      this.#cancelledEarly.add(subscription);
      return;
    }
    await routed.subscription.cancel();
    this.#forget(subscription, 'cancelled');
  }

  /** Removes all subscriptions after the router has stopped. */
  forgetAll(): void {
    for (const subscription of this.#routed.keys()) this.#forget(subscription, 'stopped');
  }

  #forget(subscription: Subscription, reason: RemovalReason): void {
    this.#routed.get(subscription)?.unlink();
    this.#routed.delete(subscription);
    this.#announceRemoval(subscription, reason);
  }

  #announceCreation(subscription: Subscription): void {
    const { topic, engine } = subscription;
    const isNewTopic = !this.#isTopicAnnounced(topic);
    this.#announced.add(subscription);
    if (isNewTopic) this.#lifecycle.emit('topic.created', { topic, engine });
    this.#lifecycle.emit('subscription.created', dataOf(subscription));
  }

  #announceRemoval(subscription: Subscription, reason: RemovalReason): void {
    if (!this.#announced.delete(subscription)) return;
    const { topic, engine } = subscription;
    this.#lifecycle.emit('subscription.removed', { ...dataOf(subscription), reason });
    if (!this.#isTopicAnnounced(topic)) this.#lifecycle.emit('topic.deleted', { topic, engine });
  }

  #isTopicAnnounced(topic: string): boolean {
    for (const subscription of this.#announced) if (subscription.topic === topic) return true;
    return false;
  }
}

type RemovalReason = 'cancelled' | 'stopped' | 'failed';

function dataOf({ id, topic, isAsync, engine, group }: Subscription): object {
  return { topic, isAsync, engine, group, subscription: id };
}
