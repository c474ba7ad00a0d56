import { isFailure } from './failure.ts';
import type { KafkaClient } from './kafka-client.ts';

/** Kafka's default for `max.message.bytes`, used if the cluster does not say. */
const defaultBytes = 1_048_588;
/** Room for the fields of a batch or a request beside its records (Kafka protocol, "Record Batch"), and for inexact sizes. */
const overheadBytes = 1024;
/** Bytes of one request, for all topics together. The default limit of a broker is ten times as large. */
const defaultRequestBytes = 8 * 1024 * 1024;

/** How large batches and requests may be. The cluster is asked once for each topic, and again after `askAgain`. */
export class TopicLimits {
  readonly #client: KafkaClient;
  readonly #limits = new Map<string, number | undefined>();
  /** Topics whose limit is to be looked up again. The known limit holds until then. */
  readonly #stale = new Set<string>();
  /** `socket.request.max.bytes` of the brokers: they end the connection on a larger request. */
  #maxRequestBytes = Number.POSITIVE_INFINITY;
  #learningRequest: Promise<void> | undefined;

  constructor(client: KafkaClient) {
    this.#client = client;
  }

  knows(topic: string): boolean {
    return this.#limits.has(topic) && !this.#stale.has(topic);
  }

  /** The largest batch of the topic, in bytes; undefined if the cluster does not say. */
  known(topic: string): number | undefined {
    const bytes = this.#limits.get(topic);
    return bytes === undefined ? undefined : Math.min(bytes, this.#maxRequestBytes - overheadBytes);
  }

  /** The limit may have changed: the next `learn` asks the cluster again. */
  askAgain(topic: string): void {
    this.#stale.add(topic);
  }

  /** Bytes of records of the topic that may be sent together. */
  of(topic: string): number {
    const bytes = this.known(topic) ?? defaultBytes;
    return bytes - Math.min(overheadBytes, bytes >> 1);
  }

  /** Bytes of records of all topics that may be sent together. Half of the limit leaves room for many small partitions. */
  get ofRequest(): number {
    return Math.min(defaultRequestBytes, this.#maxRequestBytes / 2);
  }

  async learn(topic: string): Promise<void> {
    if (this.knows(topic)) return;
    await this.#learnRequest();
    this.#limits.set(topic, await this.#ask(() => this.#client.maxBatchBytes(topic)));
    this.#stale.delete(topic);
  }

  #learnRequest(): Promise<void> {
    return (this.#learningRequest ??= this.#ask(() => this.#client.maxRequestBytes()).then(
      (bytes) => void (this.#maxRequestBytes = bytes ?? Number.POSITIVE_INFINITY),
      (error: unknown) => {
        this.#learningRequest = undefined;
        throw error;
      },
    ));
  }

  /** Undefined if the user may not ask for the configuration. */
  async #ask(question: () => Promise<number | undefined>): Promise<number | undefined> {
    try {
      return await question();
    } catch (error) {
      if (isFailure(error, 'passing')) throw error;
      return undefined;
    }
  }
}
