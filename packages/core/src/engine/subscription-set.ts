import type { EngineHost } from '../contract/engine.ts';
import type { Subscription } from '../contract/bus.ts';
import type { Unsettled } from '../dispatch/reporting/counters.ts';
import type { DeliveryOwner } from '../dispatch/delivery.ts';
import type { DeliveryQueue } from '../dispatch/delivery-queue.ts';
import { TopicMatcher, assertTopicOrPattern, isPattern } from '../contract/topics.ts';
import type { Listener } from '../contract/transport.ts';
import { stopListener } from './open-transport.ts';

/** One live subscription of an engine. */
export interface SubscriptionEntry {
  readonly subscription: Subscription;
  readonly queue: DeliveryQueue;
  readonly listener: Listener;
  /** Removes the listener from the subscription's signal. */
  readonly unlink: () => void;
}

/** The subscriptions of one engine, from the creation of their queues until their last events are settled. */
export class SubscriptionSet {
  readonly #entries = new Map<Subscription, SubscriptionEntry>();
  readonly #byTopic = new TopicMatcher<SubscriptionEntry>();
  /** Queues with unsettled events, including those of ended subscriptions. */
  readonly #queues = new Set<DeliveryQueue>();
  readonly #made = new WeakSet<Subscription>();
  readonly #cancelledEarly = new WeakSet<Subscription>();
  readonly #hung = new WeakSet<Listener>();

  /** Registers a subscription that is being made, because its handler may already get events and cancel it. */
  begin(subscription: Subscription, queue: DeliveryQueue): void {
    this.#made.add(subscription);
    this.#queues.add(queue);
  }

  /** Removes a subscription that could not be made. */
  abort(queue: DeliveryQueue): void {
    queue.close('unsubscribed');
    this.#queues.delete(queue);
  }

  /** @returns False if the subscription was cancelled while it was being made. */
  add(entry: SubscriptionEntry): boolean {
    this.#entries.set(entry.subscription, entry);
    this.#byTopic.add(entry.subscription.topic, entry);
    return !this.#cancelledEarly.has(entry.subscription);
  }

  /** Returns true for every subscription that this engine ever made. */
  knows(subscription: Subscription): boolean {
    return this.#made.has(subscription);
  }

  get queues(): Iterable<DeliveryQueue> {
    return this.#queues;
  }

  hasQueue(queue: DeliveryOwner): boolean {
    const queues: ReadonlySet<DeliveryOwner> = this.#queues;
    return queues.has(queue);
  }

  get unsettled(): Unsettled {
    const total = { pending: 0, running: 0, deferred: 0 };
    for (const queue of this.#queues) {
      total.pending += queue.queued + queue.running;
      total.running += queue.running;
      total.deferred += queue.deferred;
    }
    return total;
  }

  topics(): string[] {
    return this.#byTopic.patterns();
  }

  /** Counts, for a topic, the subscriptions that its events reach; for a pattern, the subscriptions to exactly this pattern. */
  count(topic: string): number {
    assertTopicOrPattern(topic);
    return (isPattern(topic) ? this.#byTopic.get(topic) : this.#byTopic.match(topic)).length;
  }

  async stopListening(host: EngineHost): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => this.#stop(entry, host)));
  }

  /** Ends the paused subscriptions, whose events nothing would handle. The others handle what is queued. */
  async finishQueues(host: EngineHost): Promise<void> {
    const paused = [...this.#entries.values()].filter(({ queue }) => queue.isPaused);
    for (const entry of paused) {
      await this.#stop(entry, host);
      entry.queue.close('stopped');
    }
    for (const queue of this.#queues) queue.finish();
  }

  async removeAll(host: EngineHost): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((subscription) => this.remove(subscription, host)));
  }

  /** Stops taking events for the subscription, then waits for its running handlers, except a handler that makes this call. */
  async remove(subscription: Subscription, host: EngineHost): Promise<void> {
    const entry = this.#entries.get(subscription);
    if (entry === undefined) {
      this.#cancelledEarly.add(subscription);
      return;
    }
    const { queue, unlink } = entry;
    this.#byTopic.remove(subscription.topic, entry);
    unlink();
    await this.#stop(entry, host);
    queue.close('unsubscribed');
    const endWait = queue.beginWait();
    if (endWait !== false) {
      await queue.whenIdle();
      if (endWait !== true) endWait();
    }
    this.#entries.delete(subscription);
    void queue.whenIdle().then(() => this.#queues.delete(queue));
  }

  /** Stops the listener, unless an earlier call took too long. */
  #stop({ listener, subscription }: SubscriptionEntry, host: EngineHost): Promise<void> {
    if (this.#hung.has(listener)) return Promise.resolve();
    return stopListener(listener, subscription.topic, host, () => this.#hung.add(listener));
  }
}
