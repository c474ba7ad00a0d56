import type { DeliveryStats, Duration, Logger, ObservableBus } from '@polybus/core';
import { StatsD } from 'hot-shots';
import { ExporterClosedError } from './exporter-closed-error.ts';
import { addressOf, intervalMsOf, prefixOf, tagsOf } from './options.ts';

export interface DatadogStatsdExporterOptions {
  /** What every metric's name begins with. Default `eventbus`. */
  readonly prefix?: string | undefined;
  /** Where the agent listens for UDP: `host:port`. Default `127.0.0.1:8125`. */
  readonly addr?: string | undefined;
  /** Time between two exports. Default 10 seconds, as long as the agent gathers. */
  readonly interval?: Duration | undefined;
  /** On every metric, such as `env:production`. Default: none. */
  readonly baseTags?: readonly string[] | undefined;
  /** Told once when sending begins to fail. Default: the console. */
  readonly logger?: Pick<Logger, 'warn'> | undefined;
}

export interface RunOptions {
  /** Ends the exports; `close` still sends the last one. */
  readonly signal?: AbortSignal | undefined;
}

/** The gauges, and what they are of the statistics. */
const gauges: readonly (readonly [name: string, field: keyof DeliveryStats])[] = [
  ['delivered_total', 'delivered'],
  ['dropped_total', 'dropped'],
  ['published_total', 'published'],
  ['enqueued_total', 'enqueued'],
  ['failed_total', 'failed'],
  ['retried_total', 'retried'],
  ['dead_lettered_total', 'deadLettered'],
  ['released_total', 'released'],
  ['pending', 'pending'],
];

/** The tag `engine` of the sum over all engines. */
const all = '_all';
/** What fits into one packet of an Ethernet, with room for headers. */
const maxPacketBytes = 1432;

/**
 * Sends the statistics of a bus to a Datadog agent, as gauges over UDP. An agent that is not there harms nobody, and neither a
 * timer nor a socket of it keeps the process alive.
 *
 * @example
 * ```ts
 * await using exporter = new DatadogStatsdExporter(bus, { addr: '127.0.0.1:8125', interval: '10s' });
 * exporter.run();
 * ```
 */
export class DatadogStatsdExporter implements AsyncDisposable {
  readonly #bus: Pick<ObservableBus, 'router'>;
  readonly #client: StatsD;
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #addr: string;
  readonly #intervalMs: number;
  /** Ends what ties the exporter to the signals it was given. */
  readonly #closed = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isFailing = false;
  #closing: Promise<void> | undefined;

  /** @throws {@link InvalidOptionError} */
  constructor(bus: Pick<ObservableBus, 'router'>, options: DatadogStatsdExporterOptions = {}) {
    const {
      prefix = '',
      addr = '127.0.0.1:8125',
      interval = '10s',
      baseTags = [],
      logger = console,
    } = options;
    const { host, port } = addressOf(addr);
    this.#intervalMs = intervalMsOf(interval);
    this.#bus = bus;
    this.#addr = addr;
    this.#logger = logger;
    this.#client = new StatsD({
      host,
      port,
      protocol: 'udp',
      prefix: prefixOf(prefix === '' ? 'eventbus' : prefix),
      globalTags: [...tagsOf(baseTags)],
      cacheDns: true,
      maxBufferSize: maxPacketBytes,
      includeDatadogTelemetry: false,
      errorHandler: (error) => this.#failed(error),
    });
  }

  /** Exports now, and then each interval, until the signal aborts or the exporter is closed. */
  run({ signal }: RunOptions = {}): void {
    if (this.#closing !== undefined) throw new ExporterClosedError('run');
    if (signal?.aborted === true) return;
    signal?.addEventListener('abort', () => this.#stop(), { once: true, signal: this.#closed.signal });
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#export(), this.#intervalMs);
    this.#timer.unref();
    void this.#export();
  }

  /** Exports now. Resolves when it is sent, or has failed, which is logged. */
  flush(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ExporterClosedError('flush'));
    return this.#export();
  }

  /** Exports a last time, and closes the socket. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stop();
    this.#closed.abort();
    // Not awaited: the client waits for what it is sending, for half a second at most, where a name server does not answer.
    void this.#export();
    await new Promise<void>((resolve) => {
      this.#client.close((error) => {
        if (error) this.#failed(error);
        resolve();
      });
    });
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #export(): Promise<void> {
    const { router } = this.#bus;
    for (const [engine, stats] of Object.entries(router.statsPerEngine())) this.#gauge(engine, stats);
    this.#gauge(all, router.stats());
    return new Promise((resolve) => {
      this.#client.flush((error) => {
        if (error) this.#failed(error);
        else this.#isFailing = false;
        resolve();
      });
    });
  }

  #gauge(engine: string, stats: DeliveryStats): void {
    for (const [name, field] of gauges) this.#client.gauge(name, stats[field], [`engine:${engine}`]);
  }

  #failed(error: Error): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    try {
      this.#logger.warn('metrics could not be sent; this is said once', {
        addr: this.#addr,
        error: error.message,
      });
    } catch {
      // Nobody would catch it: it is called by the socket.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
