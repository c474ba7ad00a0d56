import type { StartOptions, StopOptions } from '../contract/bus.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import type { EngineHost } from '../contract/engine.ts';
import type { EngineState, MissedData } from '../contract/observing.ts';
import type { OpenTransport, Transport } from '../contract/transport.ts';
import { activeWork } from '../dispatch/current-work.ts';
import { beginStopWait, waitsForCaller } from '../dispatch/wait-graph.ts';
import { drainQueues } from '../dispatch/workers/drain.ts';
import { countdown } from '../engine-kit/countdown.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import { settlesWithin } from '../engine-kit/or-aborted.ts';
import { EventBusNotStartedError, ShutdownTimeoutError } from '../errors/errors.ts';
import { adaptedLogger } from '../logging/adapted-logger.ts';
import {
  assertOptionsOf,
  assertSignal,
  assertStopOptions,
  resolveStopTimeout,
} from './options/call-options.ts';
import { closeTransport, openTransport } from './open-transport.ts';
import { SharedStart, SharedStop } from './shared-calls.ts';
import type { StallWatch } from './stall-watch.ts';
import type { SubscriptionSet } from './subscription-set.ts';

/** The parts of an engine that start and stop with it. */
export interface LifecycleParts {
  readonly open: OpenTransport;
  readonly capabilities: Capabilities;
  readonly subscriptions: SubscriptionSet;
  readonly stalls: StallWatch;
  /** The host, which a bus may replace before the first start. */
  readonly host: () => EngineHost;
  /** The engine, in the wait graph. */
  readonly node: object;
}

/** Starts, drains and stops an engine, and refuses calls in other states. */
export class EngineLifecycle {
  state: EngineState = 'new';
  /** Undefined unless the engine is started or stopping. */
  transport: Transport | undefined;
  readonly #parts: LifecycleParts;
  readonly #stopping = new SharedStop();
  readonly #starting = new SharedStart(() => this.#stopping.isUnderWay && waitsForCaller(this.#parts.node));
  /** Aborts a start that `stop` does not wait for. */
  #startAborter: AbortController | undefined;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  async start(options: StartOptions): Promise<void> {
    assertOptionsOf('start', options);
    await this.#starting.run(options, () => this.#start(options));
  }

  async #start({ signal }: StartOptions): Promise<void> {
    if (this.state === 'started') return;
    if (this.#stopping.isUnderWay) await this.#stopping.settled;
    else if (this.state === 'stopping') await this.stop({}).catch(() => {});
    assertSignal(signal);
    signal?.throwIfAborted();
    this.state = 'starting';
    const { open, stalls, host } = this.#parts;
    const { name, logger, source } = host();
    const aborter = (this.#startAborter = new AbortController());
    const unlink = onAbort(signal, () => aborter.abort(signal!.reason));
    try {
      const context = { name, logger: adaptedLogger(logger), source, missed: this.#reportMissed };
      this.transport = await openTransport(open, { ...context, signal: aborter.signal });
      this.state = 'started';
      stalls.begin();
    } catch (error) {
      this.state = 'new';
      throw error;
    } finally {
      unlink();
    }
  }

  async stop(options: StopOptions): Promise<void> {
    assertOptionsOf('stop', options);
    if (this.#starting.underWay === undefined && (this.state === 'new' || this.state === 'stopped')) return;
    const caller = activeWork();
    // A stop that is under way waits for this very handler, which would then wait for itself.
    if (this.#stopping.isUnderWay && caller !== undefined && this.#parts.subscriptions.hasQueue(caller.queue))
      return;
    await this.#starting.endWith(this.#stopping.run(options, (shared) => this.#stop(shared)));
  }

  async #stop(options: StopOptions): Promise<void> {
    const { subscriptions, host } = this.#parts;
    let timeoutMs = resolveStopTimeout(options.timeoutMs);
    // Awaits nothing if no start is under way: an event that is published right after stop() is refused.
    if (this.#starting.underWay !== undefined && this.state === 'starting')
      timeoutMs = await this.#afterStart(timeoutMs, options.signal);
    // The start failed, or was aborted.
    if (this.state === 'new') return;
    const timeout = await this.#drain(timeoutMs, options.signal).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (timeout !== undefined) for (const queue of subscriptions.queues) queue.abandon(timeout);
    await subscriptions.removeAll(host());
    const { transport } = this;
    this.transport = undefined;
    if (transport !== undefined) await closeTransport(transport, host());
    this.state = 'stopped';
    if (timeout !== undefined) throw timeout;
  }

  async drain(options: StopOptions): Promise<void> {
    const timeoutMs = assertStopOptions('drain', options);
    const starting = this.#starting.underWay;
    if (starting !== undefined && this.state === 'starting')
      await settlesWithin(starting, timeoutMs, options.signal);
    if (this.state !== 'started' && this.state !== 'stopping') return;
    await this.#drain(timeoutMs, options.signal);
  }

  /**
   * Waits for a start that is under way, and aborts it when the time is over or the signal aborts: its broker may not answer at all.
   *
   * @returns how much of the time is left.
   */
  async #afterStart(timeoutMs: number, signal: AbortSignal | undefined): Promise<number> {
    const starting = this.#starting.underWay!;
    const timeLeft = countdown(timeoutMs);
    if (!(await settlesWithin(starting, timeoutMs, signal))) {
      const { name } = this.#parts.host();
      this.#startAborter?.abort(new EventBusNotStartedError('start', 'stopping', { engine: name }));
      await starting.catch(() => {});
    }
    return timeLeft();
  }

  async #drain(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { subscriptions, node } = this.#parts;
    const caller = activeWork()?.queue;
    // Not for the subscription of a handler that makes this call.
    const awaited = [...subscriptions.queues].filter((queue) => queue !== caller);
    const endWait = beginStopWait(
      node,
      awaited.map((queue) => queue.node),
    );
    try {
      await this.#drainQueues(timeoutMs, signal);
    } finally {
      endWait();
    }
  }

  async #drainQueues(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { capabilities, subscriptions, stalls, host } = this.#parts;
    const startedAt = performance.now();
    this.state = 'stopping';
    stalls.end();
    // Within one process only the running handlers publish now, and their events are still handled.
    if (capabilities.crossProcess) await subscriptions.stopListening(host());
    const { queues } = subscriptions;
    // A durable broker delivers unhandled events again. Those of any other broker are handled before the engine closes.
    if (capabilities.durable) for (const queue of queues) queue.close('stopped');
    else await subscriptions.finishQueues(host());
    if (await drainQueues(queues, timeoutMs, signal)) return;
    const busy = [...queues].filter((queue) => queue.unsettled > 0);
    throw new ShutdownTimeoutError(
      signal?.aborted === true ? Math.round(performance.now() - startedAt) : timeoutMs,
      {
        inFlight: busy.reduce((sum, queue) => sum + queue.running, 0),
        queued: busy.reduce((sum, queue) => sum + queue.unsettled - queue.running, 0),
        subscriptions: busy.map(({ subscription }) => `${subscription.id} on "${subscription.topic}"`),
      },
      { engine: host().name },
    );
  }

  readonly #reportMissed = (data: Omit<MissedData, 'engine'>): void => {
    const { name, logger, observer } = this.#parts.host();
    logger.warn('events may have been missed', { engine: name, ...data });
    if (observer.active) observer.missed({ ...data, engine: name });
  };

  /** @throws {@link EventBusNotStartedError} unless the engine is started, or a running handler publishes while it stops. */
  assertOpen(operation: string, topic: string | undefined): void {
    if (this.state === 'started') return;
    // A handler that is finishing may still publish, and its dead letter may be written: the transport closes afterwards.
    if (this.state === 'stopping' && operation === 'publish' && activeWork() !== undefined) return;
    throw new EventBusNotStartedError(operation, this.state, { topic, engine: this.#parts.host().name });
  }
}
