import type {
  EventHandler,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import { stampContract } from '../contract/contract-version.ts';
import type { Engine, EngineHost } from '../contract/engine.ts';
import type { NewEvent } from '../contract/event.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';
import type { Delay, ListenRequest, Listener, OpenTransport, ReadProgress } from '../contract/transport.ts';
import { publishFitting } from '../dead-letters/cut-dead-letter.ts';
import { DeliveryQueue } from '../dispatch/delivery-queue.ts';
import { eventToPublish } from '../dispatch/event-to-publish.ts';
import { Counters } from '../dispatch/reporting/counters.ts';
import { DeadLetterWriter } from '../dispatch/reporting/dead-letter-writer.ts';
import { Reporter } from '../dispatch/reporting/reporter.ts';
import { WorkerPool } from '../dispatch/workers/worker-pool.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import { EventBusNotStartedError, SubscriptionNotFoundError } from '../errors/errors.ts';
import { assertSubscription } from './options/assert-subscription.ts';
import { assertOptionsOf, assertSignal, timerMs } from './options/call-options.ts';
import { delayOf, isDelayed } from './options/delay-options.ts';
import { healthOf } from './engine-health.ts';
import { EngineLifecycle } from './engine-lifecycle.ts';
import { CancellableSubscription } from './engine-subscription.ts';
import { standaloneHost } from './host.ts';
import { StallWatch } from './stall-watch.ts';
import {
  type DeliveryDefaults,
  type InternalSubscribeOptions,
  type ResolvedSubscribeOptions,
  identityOption,
  resolveSubscribeOptions,
} from './options/subscribe-options.ts';
import { warnOfWorkerCount } from './worker-count-warning.ts';
import { SubscriptionSet } from './subscription-set.ts';

/** The definition of an engine. */
export interface EngineDefinition {
  /** `redis`, `kafka`, …; also the engine's name, unless a bus gives it another. */
  readonly type: string;
  readonly capabilities: Capabilities;
  /** Opens the connection to the broker. */
  readonly open: OpenTransport;
  /** The defaults of subscriptions. */
  readonly defaults?: Partial<DeliveryDefaults> | undefined;
}

const done = Promise.resolve();

const standardDefaults: DeliveryDefaults = {
  workerCount: 5,
  bufferSize: 256,
  retry: undefined,
  deadLetter: true,
  handlerTimeoutMs: undefined,
  ttlMs: undefined,
  stallLimitMs: 30_000,
};

/** Creates an engine from the function that opens its transport. Every engine is created by this function. */
export function createEngine(definition: EngineDefinition): Engine {
  return new TransportEngine(definition);
}

class TransportEngine implements Engine {
  readonly type: string;
  readonly capabilities: Capabilities;
  readonly #defaults: DeliveryDefaults;
  readonly #pool: WorkerPool;
  readonly #counters = new Counters();
  readonly #subscriptions = new SubscriptionSet();
  readonly #stalls: StallWatch;
  readonly #lifecycle: EngineLifecycle;
  #host: EngineHost;

  constructor(definition: EngineDefinition) {
    this.type = definition.type;
    this.capabilities = Object.freeze({
      ...definition.capabilities,
      delay: definition.capabilities.delay === true,
    });
    this.#defaults = { ...standardDefaults, ...definition.defaults };
    this.#pool = new WorkerPool(this.#defaults.workerCount);
    const limitMs = timerMs('stallLimitMs', this.#defaults.stallLimitMs);
    this.#stalls = new StallWatch(
      limitMs,
      () => this.#progress(),
      (reason) => this.#host.logger.warn(reason, { engine: this.#host.name }),
    );
    this.#host = standaloneHost(definition.type, (event) => this.publish(event));
    this.#lifecycle = new EngineLifecycle({
      open: definition.open,
      capabilities: this.capabilities,
      subscriptions: this.#subscriptions,
      stalls: this.#stalls,
      host: () => this.#host,
      node: this,
    });
    stampContract(this);
  }

  attach(host: EngineHost): void {
    this.#host = host;
  }

  async start(options: StartOptions = {}): Promise<void> {
    await this.#lifecycle.start(options);
  }

  async stop(options: StopOptions = {}): Promise<void> {
    await this.#lifecycle.stop(options);
  }

  async drain(options: StopOptions = {}): Promise<void> {
    await this.#lifecycle.drain(options);
  }

  publish<T>(input: NewEvent<T>, options?: PublishOptions): Promise<void> {
    try {
      const event = eventToPublish(input);
      this.#lifecycle.assertOpen('publish', event.topic);
      let signal: AbortSignal | undefined;
      let delay: Delay | undefined;
      if (options !== undefined) {
        assertOptionsOf('publish', options);
        ({ signal } = options);
        assertSignal(signal);
        if (isDelayed(options))
          delay = delayOf(options, {
            name: this.#host.name,
            type: this.type,
            capabilities: this.capabilities,
          });
        signal?.throwIfAborted();
      }
      const transport = this.#lifecycle.transport!;
      const sent =
        delay === undefined ? transport.send(event, signal) : transport.sendDelayed!(event, delay, signal);
      if (sent !== undefined) return sent.then(this.#accepted);
      this.#accepted();
      return done;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Counted once it is accepted: a counter that went down would look like a restart to a metrics system. */
  readonly #accepted = (): void => {
    this.#counters.published++;
  };

  subscribe<T>(topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription> {
    return this.#subscribe(topic, handler, false, options);
  }

  subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.#subscribe(topic, handler, true, options);
  }

  async #subscribe(
    topic: string,
    handler: EventHandler<never>,
    isAsync: boolean,
    options: InternalSubscribeOptions = {},
  ): Promise<Subscription> {
    const { name } = this.#host;
    const engine = { name, type: this.type, capabilities: this.capabilities };
    const resolved = resolveSubscribeOptions(topic, handler, isAsync, options, this.#defaults, engine);
    this.#lifecycle.assertOpen('subscribe', topic);
    options.signal?.throwIfAborted();
    const lifecycle = this.#lifecycle;
    const transport = lifecycle.transport!;
    /** False after a stop, even if the engine has been started again: its transport is another. */
    const isOpen = (): boolean => lifecycle.state === 'started' && lifecycle.transport === transport;
    const { from } = resolved;
    const { group } = resolved.policy;
    const identity = options[identityOption];
    const subscription = new CancellableSubscription(
      { topic, isAsync, engine: name, group },
      (self) => this.unsubscribe(self),
      identity?.flow,
    );
    const queue = this.#createQueue(identity ?? subscription, resolved);
    warnOfWorkerCount(subscription, resolved.policy.concurrency, this.#defaults.workerCount, this.#host);
    this.#subscriptions.begin(subscription, queue);
    let listener: Listener;
    try {
      const subscriptionId = queue.subscription.id;
      const request: ListenRequest = {
        subscriptionId,
        pattern: topic,
        isAsync,
        group,
        from,
        get concurrency(): number {
          return queue.concurrency;
        },
      };
      listener = await transport.listen(request, queue);
    } catch (cause) {
      this.#subscriptions.abort(queue);
      // The engine was stopped, and its closed connection is no error of the broker.
      if (!isOpen())
        throw new EventBusNotStartedError('subscribe', lifecycle.state, { topic, engine: name, cause });
      throw cause;
    }
    const { signal } = options;
    const unlink = onAbort(signal, () => void subscription.cancel());
    const isNotCancelled = this.#subscriptions.add({ subscription, queue, listener, unlink });
    if (!isOpen() || signal?.aborted === true || !isNotCancelled) {
      // Stopped, aborted, or cancelled by its own handler while the transport subscribed.
      await subscription.cancel();
      signal?.throwIfAborted();
      if (!isOpen()) throw new EventBusNotStartedError('subscribe', lifecycle.state, { topic, engine: name });
    }
    return subscription;
  }

  /** @param identity - The subscription that handlers see. */
  #createQueue(
    identity: CancellableSubscription,
    { policy, deadLetter }: ResolvedSubscribeOptions,
  ): DeliveryQueue {
    const host = this.#host;
    const reported = { id: identity.id, topic: identity.topic, group: policy.group, deadLetter };
    const reporter = new Reporter(this.#counters, host, reported);
    const deadLetters = new DeadLetterWriter(host, reported, (letter) =>
      publishFitting(letter, (fitting) => host.publishDeadLetter(fitting)),
    );
    const pool = policy.isAsync && policy.batch === undefined ? this.#pool : undefined;
    return new DeliveryQueue(identity, policy, identity.flow, reporter, deadLetters, pool);
  }

  async unsubscribe(subscription: Subscription): Promise<void> {
    assertSubscription(subscription);
    if (!this.#subscriptions.knows(subscription)) {
      this.#lifecycle.assertOpen('unsubscribe', undefined);
      throw new SubscriptionNotFoundError(subscription.id);
    }
    await this.#subscriptions.remove(subscription, this.#host);
  }

  topics(): string[] {
    return this.#subscriptions.topics();
  }

  subscriberCount(topic: string): number {
    return this.#subscriptions.count(topic);
  }

  stats(): DeliveryStats {
    return this.#counters.snapshot(this.#subscriptions.unsettled);
  }

  health(): Promise<EngineHealth> {
    return healthOf(this.#lifecycle.state, this.#lifecycle.transport, () => this.#stalls.stalls());
  }

  *#progress(): Iterable<ReadProgress> {
    for (const queue of this.#subscriptions.queues) yield* queue.progress();
    try {
      yield* this.#lifecycle.transport?.progress?.() ?? [];
    } catch (error) {
      yield { source: 'reading', position: 0, behind: `its progress is unknown (${String(error)})` };
    }
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    this.#lifecycle.assertOpen('lag', undefined);
    return (await this.#lifecycle.transport?.lag?.()) ?? [];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
