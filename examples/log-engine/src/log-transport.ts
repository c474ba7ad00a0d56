import { type ConsumerLag, type Event, PublishError } from '@polybus/core';
import { encodeStructured } from '@polybus/core/cloudevents';
import type {
  Delay,
  ListenRequest,
  Listener,
  ReadProgress,
  Receiver,
  Transport,
  TransportContext,
} from '@polybus/core/engine';
import { DelayedTopics } from '@polybus/core/engine-kit';
import { GroupMember } from './group-member.ts';
import { LogBroker } from './log-broker.ts';
import type { LogOptions } from './options.ts';
import { OwnReader } from './own-reader.ts';
import type { Partition } from './partition.ts';

/** Reads the log for one subscription. Its methods throw while the broker is down. */
export interface Reader {
  readonly partitions: ReadonlyMap<string, Partition>;
  readonly isEnded: boolean;
  /** Does all the work that is due. */
  run(): void;
  /** Renews the lease, if there is one. */
  renew(): void;
  /** Delivers no more events. Delivered events may still be settled. */
  stop(): void;
  /** Gives up partitions that have unsettled events. */
  leave(): void;
}

/** The topics in which delayed events wait, and the group that reads them. */
const delayedTopics = '_delayed';

/** The connection of the log engine to its broker. */
export class LogTransport implements Transport {
  readonly #broker: LogBroker;
  readonly #leaseMs: number;
  readonly #source: string;
  readonly #readers = new Set<Reader>();
  readonly #renewing: NodeJS.Timeout;
  readonly #unwatch: () => void;
  readonly #delayed: DelayedTopics;
  #scheduled: NodeJS.Immediate | undefined;
  /** Why reading fails. */
  #error: Error | undefined;

  private constructor(broker: LogBroker, leaseMs: number, { source, logger }: TransportContext) {
    this.#broker = broker;
    this.#leaseMs = leaseMs;
    this.#source = source;
    this.#delayed = new DelayedTopics({
      prefix: delayedTopics,
      send: async (event) => this.send(event),
      listen: (request, receiver) => this.listen(request, receiver),
      logger,
    });
    this.#renewing = setInterval(() => this.#renew(), leaseMs / 3).unref();
    this.#unwatch = broker.watch(this.#schedule);
    this.#joinDelays();
  }

  /** Opens the connection to the broker, or rejects if it cannot be reached. */
  static async open({ folder, leaseTimeout }: LogOptions, context: TransportContext): Promise<LogTransport> {
    const broker = new LogBroker(folder);
    broker.assertUp();
    return new LogTransport(broker, leaseTimeout, context);
  }

  async close(): Promise<void> {
    this.#delayed.close();
    this.#run();
    this.#each((reader) => reader.leave());
    this.#unwatch();
    clearInterval(this.#renewing);
    clearImmediate(this.#scheduled);
  }

  /** The key of the event is the key of its record, so the log keeps the events of a key in order. */
  send(event: Event): void {
    const { topic, key } = event;
    const bytes = new TextEncoder().encode(encodeStructured(event, { source: this.#source }));
    try {
      this.#broker.append(topic, key, bytes);
    } catch (cause) {
      throw new PublishError(`The broker did not accept an event on "${topic}".`, { topic, cause });
    }
  }

  sendDelayed(event: Event, delay: Delay): Promise<void> {
    return this.#delayed.send(event, delay);
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { group } = request;
    const reader =
      group === undefined
        ? new OwnReader(this.#broker, request, receiver, this.#schedule)
        : new GroupMember(this.#broker, group, request, receiver, this.#leaseMs, this.#schedule);
    receiver.onRoom = this.#schedule;
    this.#readers.add(reader);
    this.#schedule();
    return {
      stop: async () => {
        reader.stop();
        this.#schedule();
      },
    };
  }

  #renew(): void {
    this.#joinDelays();
    this.#each((reader) => reader.renew());
    // The broker reports no change when the lease of another member expires.
    this.#schedule();
  }

  /** If another process has delayed events, this process publishes them, too. */
  #joinDelays(): void {
    try {
      if (this.#broker.partitions(`${delayedTopics}.*`).length > 0) this.#delayed.begin();
    } catch {
      // The broker is down. The next renewal looks again.
    }
  }

  /** In a turn of its own, and once for all changes of a turn. */
  readonly #schedule = (): void => {
    this.#scheduled ??= setImmediate(() => this.#run());
  };

  #run(): void {
    this.#scheduled = undefined;
    this.#error = undefined;
    this.#each((reader) => reader.run());
    for (const reader of this.#readers) if (reader.isEnded) this.#readers.delete(reader);
  }

  /** While the broker is down, the work waits for the next change or renewal. */
  #each(work: (reader: Reader) => void): void {
    for (const reader of this.#readers) {
      try {
        work(reader);
      } catch (error) {
        this.#error = error as Error;
      }
    }
  }

  async ping(): Promise<void> {
    this.#broker.assertUp();
  }

  #partitions(): Partition[] {
    return [...this.#readers].flatMap(({ partitions }) => [...partitions.values()]);
  }

  progress(): Iterable<ReadProgress> {
    return this.#partitions().map((partition) => partition.progress(this.#error));
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    return this.#partitions().map((partition) => {
      const { topic, id, index } = partition.info;
      const events = partition.lag(this.#broker.offsetOf(id, 'latest'));
      return { topic, group: partition.group, partition: String(index), events };
    });
  }

  describe(): { details: Record<string, unknown> } {
    return { details: { subscriptions: this.#readers.size, partitions: this.#partitions().length } };
  }
}
