import type { DeliveryStats, Duration, Logger, ObservableBus } from '@polybus/core';
import { type OptionNames, assertOptionNames } from '@polybus/core/engine-kit';
import { StatsD } from 'hot-shots';
import { ExporterClosedError } from './exporter-closed-error.ts';
import { addressOf, intervalMsOf, prefixOf, tagsOf } from './options.ts';

export interface DatadogStatsdExporterOptions {
  /** The prefix of every metric name. Default `eventbus`. */
  readonly prefix?: string | undefined;
  /** The UDP address of the agent: `host:port`. Default `127.0.0.1:8125`. */
  readonly addr?: string | undefined;
  /** The time between two exports. Default 10 seconds, the flush interval of the agent. */
  readonly interval?: Duration | undefined;
  /** Tags on every metric, such as `env:production`. Default: none. */
  readonly baseTags?: readonly string[] | undefined;
  /** Gets one warning when sending starts to fail. Default: the console. */
  readonly logger?: Pick<Logger, 'warn'> | undefined;
}

export interface RunOptions {
  /** Ends the periodic exports when it aborts. `close` still sends a last export. */
  readonly signal?: AbortSignal | undefined;
}

const optionNames = {
  prefix: true,
  addr: true,
  interval: true,
  baseTags: true,
  logger: true,
} satisfies OptionNames<DatadogStatsdExporterOptions>;
const runOptionNames = { signal: true } satisfies OptionNames<RunOptions>;

/** The gauges, each with its counter in the statistics. */
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

/** The value of the tag `engine` for the sum over all engines. */
const all = '_all';
/** The maximum size of a datagram, in bytes, that fits into one Ethernet packet with its headers. */
const maxPacketBytes = 1432;

/**
 * Sends the statistics of a bus to a Datadog agent as gauges over UDP. It works without an agent, and its timer and its socket do not
 * keep the process alive.
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
  /** Functions that remove the listeners from the signals. */
  readonly #closed = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isFailing = false;
  #closing: Promise<void> | undefined;

  /** @throws {@link InvalidOptionError} or {@link UnknownOptionError} if an option is invalid. */
  constructor(bus: Pick<ObservableBus, 'router'>, options: DatadogStatsdExporterOptions = {}) {
    assertOptionNames('DatadogStatsdExporter', options, optionNames);
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

  /** Exports now and then at every interval, until the signal aborts or the exporter is closed. */
  run(options: RunOptions = {}): void {
    assertOptionNames('run', options, runOptionNames);
    const { signal } = options;
    if (this.#closing !== undefined) throw new ExporterClosedError('run');
    if (signal?.aborted === true) return;
    signal?.addEventListener('abort', () => this.#stop(), { once: true, signal: this.#closed.signal });
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#export(), this.#intervalMs);
    this.#timer.unref();
    void this.#export();
  }

  /** Exports now. Resolves when the export is sent or has failed; a failure is logged. */
  flush(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ExporterClosedError('flush'));
    return this.#export();
  }

  /** Exports a last time and closes the socket. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stop();
    this.#closed.abort();
    // Not awaited: the client waits for its sends, up to half a second if a name server does not answer.
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
      this.#logger.warn('metrics could not be sent; further failures are not logged', {
        addr: this.#addr,
        error: error.message,
      });
    } catch {
      // The socket calls this, so nothing would catch the error.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
