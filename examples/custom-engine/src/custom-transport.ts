import type { Event } from '@polybus/core';
import {
  type Acknowledgement,
  type ListenRequest,
  type Listener,
  type Receiver,
  type Transport,
  type TransportContext,
  isInternalTopic,
  matchesTopic,
} from '@polybus/core/engine';
import type { MetricsRecorder } from './metrics.ts';
import type { CustomMemoryOptions } from './options.ts';

interface Subscriber {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
}

/** The broker of the custom engine: passes published events directly to the subscriptions of this engine. */
export class CustomTransport implements Transport {
  readonly #options: CustomMemoryOptions;
  readonly #metrics: MetricsRecorder | undefined;
  readonly #subscribers = new Set<Subscriber>();
  readonly #timer: NodeJS.Timeout | undefined;
  #unsettled = 0;

  constructor(
    options: CustomMemoryOptions,
    metrics: MetricsRecorder | undefined,
    { name, logger }: TransportContext,
  ) {
    this.#options = options;
    this.#metrics = metrics;
    const { metricsInterval } = options;
    if (metrics === undefined || metricsInterval === 0) return;
    const report = (): void => logger.info?.('event metrics', { engine: name, ...metrics.snapshot() });
    this.#timer = setInterval(report, metricsInterval).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
  }

  send(event: Event, signal?: AbortSignal): Promise<void> | void {
    // Filters do not apply to internal topics of the bus, such as dead letters.
    const isOwn = isInternalTopic(event.topic);
    const barrier = isOwn ? undefined : this.#options.eventFilters.find((one) => !one.shouldProcess(event));
    if (barrier !== undefined) return this.#metrics?.filtered(barrier.name);
    if (!isOwn) this.#metrics?.carried(event.topic);
    const reached = [...this.#subscribers].filter(({ request }) =>
      matchesTopic(request.pattern, event.topic),
    );
    const waits = reached.map((subscriber) => this.#offer(subscriber, event));
    // Handlers run only after every subscription has this event, so that events that they publish come after it everywhere.
    for (const { receiver } of reached) receiver.run();
    const waiting = waits.filter((wait) => wait !== undefined);
    return waiting.length === 0 ? undefined : orAborted(Promise.all(waiting), signal);
  }

  /** Queues an event for one subscription. Returns a promise if the publish has to wait for the handler of a sync subscription. */
  #offer({ request, receiver }: Subscriber, event: Event): Promise<void> | undefined {
    if (receiver.capacity <= 0 || this.#unsettled >= this.#options.maxEventQueueSize) {
      receiver.drop(event, 'buffer-full');
      return undefined;
    }
    this.#unsettled++;
    const leave = request.isAsync ? false : receiver.beginWait();
    if (leave === false) {
      receiver.enqueue(
        event,
        acknowledgement(() => this.#unsettled--),
      );
      return undefined;
    }
    return new Promise((resolve) => {
      const onEnd = (): void => {
        this.#unsettled--;
        if (leave !== true) leave();
        resolve();
      };
      receiver.enqueue(event, acknowledgement(onEnd));
    });
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const subscriber = { request, receiver };
    this.#subscribers.add(subscriber);
    return { stop: async () => void this.#subscribers.delete(subscriber) };
  }
}

/** The engine stores nothing, so a released event is lost. */
function acknowledgement(onEnd: () => void): Acknowledgement {
  return {
    settled: onEnd,
    release: () => {
      onEnd();
      return false;
    },
  };
}

/** Waits until the publisher's signal aborts, at the latest. */
async function orAborted(waiting: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return void (await waiting);
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener('abort', abort!);
  }
}
