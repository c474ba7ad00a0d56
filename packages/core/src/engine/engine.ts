import { assertSubscription } from './assert-subscription.ts';
import { assertOptionsOf, assertSignal, resolveStopTimeout, timerMs } from './call-options.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import type {
  ConsumerLag,
  DeliveryStats,
  EngineHealth,
  EngineState,
  MissedData,
} from '../contract/observing.ts';
import type { Engine, EngineHost } from '../contract/engine.ts';
import type {
  EventHandler,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import { publishFitting } from '../dead-letters/cut-dead-letter.ts';
import { stampContract } from '../contract/contract-version.ts';
import { Counters } from '../dispatch/reporting/counters.ts';
import { activeDelivery } from '../dispatch/delivery.ts';
import { DeliveryQueue } from '../dispatch/delivery-queue.ts';
import { DeadLetterWriter } from '../dispatch/reporting/dead-letter-writer.ts';
import { Reporter } from '../dispatch/reporting/reporter.ts';
import { drainQueues } from '../dispatch/workers/drain.ts';
import { StallWatch } from './stall-watch.ts';
import { WorkerPool } from '../dispatch/workers/worker-pool.ts';
import { healthOf } from './engine-health.ts';
import { CancellableSubscription } from './engine-subscription.ts';
import {
  EventBusNotStartedError,
  ShutdownTimeoutError,
  SubscriptionNotFoundError,
} from '../errors/errors.ts';
import type { NewEvent } from '../contract/event.ts';
import { createEvent } from '../contract/create-event.ts';
import { standaloneHost } from './host.ts';
import { countdown } from '../engine-kit/countdown.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import { adaptedLogger } from '../logging/adapted-logger.ts';
import { orAborted, settlesWithin } from '../engine-kit/or-aborted.ts';
import {
  type DeliveryDefaults,
  type InternalSubscribeOptions,
  gateOption,
  identityOption,
  resolveSubscribeOptions,
} from './subscribe-options.ts';
import { SubscriptionSet } from './subscription-set.ts';
import type { Listener, ReadProgress, Transport } from '../contract/transport.ts';

/** What makes an engine. */
export interface EngineDefinition {
  /** `redis`, `kafka`, …; the engine's name where no bus gives it another. */
  readonly type: string;
  readonly capabilities: Capabilities;
  readonly transport: Transport;
  /** What subscriptions get where they do not say otherwise. */
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

/** Makes an engine of a transport: the one way in which engines are made. */
export function createEngine(definition: EngineDefinition): Engine {
  return new TransportEngine(definition);
}

class TransportEngine implements Engine {
  readonly type: string;
  readonly capabilities: Capabilities;
  readonly #transport: Transport;
  readonly #defaults: DeliveryDefaults;
  readonly #pool: WorkerPool;
  readonly #counters = new Counters();
  readonly #subscriptions = new SubscriptionSet();
  readonly #stalls: StallWatch;
  #host: EngineHost;
  #state: EngineState = 'new';
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  /** Ends a start that a stop does not wait for. */
  #givingUp: AbortController | undefined;

  constructor(definition: EngineDefinition) {
    this.type = definition.type;
    this.capabilities = Object.freeze({ ...definition.capabilities });
    this.#transport = definition.transport;
    this.#defaults = { ...standardDefaults, ...definition.defaults };
    this.#pool = new WorkerPool(this.#defaults.workerCount);
    const limitMs = timerMs('stallLimitMs', this.#defaults.stallLimitMs);
    this.#stalls = new StallWatch(
      limitMs,
      () => this.#progress(),
      (reason) => this.#host.logger.warn(reason, { engine: this.#host.name }),
    );
    this.#host = standaloneHost(definition.type, (event) => this.publish(event));
    stampContract(this);
  }

  attach(host: EngineHost): void {
    this.#host = host;
  }

  async start(options: StartOptions = {}): Promise<void> {
    assertOptionsOf('start', options);
    if (this.#state === 'started') return;
    await (this.#starting ??= this.#start(options).finally(() => (this.#starting = undefined)));
  }

  async #start({ signal }: StartOptions): Promise<void> {
    if (this.#state === 'stopping') await this.stop().catch(() => {});
    assertSignal(signal);
    signal?.throwIfAborted();
    this.#state = 'starting';
    const { name, logger, source } = this.#host;
    const missed = this.#missed;
    const givingUp = (this.#givingUp = new AbortController());
    try {
      const opening = orAborted(
        this.#transport.open({ name, logger: adaptedLogger(logger), source, missed }),
        signal,
      );
      await orAborted(opening, givingUp.signal);
      this.#state = 'started';
      this.#stalls.begin();
    } catch (error) {
      await this.#closeTransport();
      this.#state = 'new';
      throw error;
    }
  }

  async stop(options: StopOptions = {}): Promise<void> {
    assertOptionsOf('stop', options);
    if (this.#starting === undefined && (this.#state === 'new' || this.#state === 'stopped')) return;
    const caller = activeDelivery();
    // A stop that is under way waits for this very handler, which would then wait for itself.
    if (this.#stopping !== undefined && caller !== undefined && this.#subscriptions.hasQueue(caller.queue))
      return;
    await (this.#stopping ??= this.#stop(options).finally(() => (this.#stopping = undefined)));
  }

  async #stop(options: StopOptions): Promise<void> {
    const timeoutMs = resolveStopTimeout(options.timeoutMs);
    assertSignal(options.signal);
    let left = timeoutMs;
    // Awaited only where there is something to wait for: what is published right after stop() is refused.
    if (this.#starting !== undefined && this.#state === 'starting') left = await this.#started(timeoutMs);
    if (this.#state === 'new') return;
    const timeout = await this.#drain(left, options.signal).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (timeout !== undefined) for (const queue of this.#subscriptions.queues) queue.abandon(timeout);
    await this.#subscriptions.removeAll(this.#host.logger);
    await this.#closeTransport();
    this.#state = 'stopped';
    if (timeout !== undefined) throw timeout;
  }

  async drain(options: StopOptions = {}): Promise<void> {
    assertOptionsOf('drain', options);
    const timeoutMs = resolveStopTimeout(options.timeoutMs);
    if (this.#starting !== undefined && this.#state === 'starting')
      await settlesWithin(this.#starting, timeoutMs);
    if (this.#state !== 'started' && this.#state !== 'stopping') return;
    await this.#drain(timeoutMs, options.signal);
  }

  /**
   * Waits for a start that is under way, and gives it up when the time is over: its broker may not answer at all.
   *
   * @returns how much of the time is left.
   */
  async #started(timeoutMs: number): Promise<number> {
    const starting = this.#starting!;
    const left = countdown(timeoutMs);
    if (!(await settlesWithin(starting, timeoutMs))) {
      this.#givingUp?.abort(new EventBusNotStartedError('start', 'stopping', { engine: this.#host.name }));
      await starting.catch(() => {});
    }
    return left();
  }

  async #drain(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.#state = 'stopping';
    this.#stalls.end();
    // In one process only the running handlers publish now, and what they publish is still to be handled.
    if (this.capabilities.crossProcess) await this.#subscriptions.stopListening(this.#host.logger);
    const { queues } = this.#subscriptions;
    // What a durable broker keeps it delivers again; anything else is handled before we go.
    if (this.capabilities.durable) for (const queue of queues) queue.close('stopped');
    if (await drainQueues(queues, timeoutMs, signal)) return;
    const left = [...queues].filter((queue) => queue.queued + queue.running > 0);
    throw new ShutdownTimeoutError(
      timeoutMs,
      {
        inFlight: left.reduce((sum, queue) => sum + queue.running, 0),
        queued: left.reduce((sum, queue) => sum + queue.queued, 0),
        subscriptions: left.map(({ subscription }) => `${subscription.id} on "${subscription.topic}"`),
      },
      { engine: this.#host.name },
    );
  }

  async #closeTransport(): Promise<void> {
    try {
      await this.#transport.close();
    } catch (error) {
      this.#host.logger.warn('the engine did not close cleanly', { engine: this.#host.name, error });
    }
  }

  publish<T>(input: NewEvent<T>, options?: PublishOptions): Promise<void> {
    try {
      const event = createEvent(input);
      this.#assertOpen('publish', event.topic);
      let signal: AbortSignal | undefined;
      if (options !== undefined) {
        assertOptionsOf('publish', options);
        ({ signal } = options);
        assertSignal(signal);
        signal?.throwIfAborted();
      }
      const sent = this.#transport.send(event, signal);
      if (sent !== undefined) return sent.then(this.#accepted);
      this.#accepted();
      return done;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Counted only now, because a count that is taken back would look like a restart to who reads it as a counter. */
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
    const engine = { name, capabilities: this.capabilities };
    const resolved = resolveSubscribeOptions(topic, handler, isAsync, options, this.#defaults, engine);
    this.#assertOpen('subscribe', topic);
    options.signal?.throwIfAborted();
    const { policy, deadLetter, from } = resolved;
    const { group, concurrency } = policy;
    const { workerCount } = this.#defaults;
    if (isAsync && concurrency > workerCount) {
      this.#host.logger.warn(
        `the subscription to "${topic}" asked for a concurrency of ${concurrency} and gets at most ${workerCount}: that is the workerCount ` +
          `of the engine "${name}", for all its async subscriptions together. Raise workerCount`,
        { engine: name, topic, group, concurrency, workerCount },
      );
    }
    const about = { topic, isAsync, engine: name, group };
    const subscription = new CancellableSubscription(about, (self) => this.unsubscribe(self));
    const shown = options[identityOption] ?? subscription;
    const host = this.#host;
    const reporter = new Reporter(this.#counters, host, { id: shown.id, topic, group });
    const deadLetters = new DeadLetterWriter(host, { id: shown.id, topic, group, deadLetter }, (letter) =>
      publishFitting(letter, (fitting) => host.publishDeadLetter(fitting)),
    );
    const pool = isAsync ? this.#pool : undefined;
    const queue = new DeliveryQueue(shown, policy, reporter, deadLetters, pool, options[gateOption]);
    this.#subscriptions.begin(subscription, queue);
    let listener: Listener;
    try {
      const request = { subscriptionId: shown.id, pattern: topic, isAsync, group, from, concurrency };
      listener = await this.#transport.listen(request, queue);
    } catch (cause) {
      this.#subscriptions.abort(queue);
      // Not that the broker cannot be reached: we have closed the connection.
      if (this.#state !== 'started')
        throw new EventBusNotStartedError('subscribe', this.#state, { topic, engine: name, cause });
      throw cause;
    }
    const { signal } = options;
    const unlink = onAbort(signal, () => void subscription.cancel());
    const isWanted = this.#subscriptions.add({ subscription, queue, listener, unlink });
    if (this.#state !== 'started' || signal?.aborted === true || !isWanted) {
      // Stopped, given up, or cancelled by its own handler, while the broker was asked.
      await subscription.cancel();
      signal?.throwIfAborted();
      this.#assertOpen('subscribe', topic);
    }
    return subscription;
  }

  async unsubscribe(subscription: Subscription): Promise<void> {
    assertSubscription(subscription);
    if (!this.#subscriptions.knows(subscription)) {
      this.#assertOpen('unsubscribe', undefined);
      throw new SubscriptionNotFoundError(subscription.id);
    }
    await this.#subscriptions.remove(subscription, this.#host.logger);
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
    return healthOf(this.#state, this.#transport, () => this.#stalls.stalls());
  }

  *#progress(): Iterable<ReadProgress> {
    for (const queue of this.#subscriptions.queues) yield* queue.progress();
    try {
      yield* this.#transport.progress?.() ?? [];
    } catch (error) {
      yield { source: 'reading', position: 0, behind: `nobody knows how far it is (${String(error)})` };
    }
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    this.#assertOpen('lag', undefined);
    return (await this.#transport.lag?.()) ?? [];
  }

  readonly #missed = (data: Omit<MissedData, 'engine'>): void => {
    const { name, logger, observer } = this.#host;
    logger.warn('events may have been missed', { engine: name, ...data });
    if (observer.active) observer.missed({ ...data, engine: name });
  };

  #assertOpen(operation: string, topic: string | undefined): void {
    if (this.#state === 'started') return;
    // A handler that is finishing may still publish, and leave a dead letter; the transport closes after it.
    if (this.#state === 'stopping' && operation === 'publish' && activeDelivery() !== undefined) return;
    throw new EventBusNotStartedError(operation, this.#state, { topic, engine: this.#host.name });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
