import { isFailure } from './failure.ts';
import type { KafkaClient } from './kafka-client.ts';

/** Kafka's default for `max.message.bytes`, where the cluster does not say. */
const defaultBytes = 1_048_588;
/** What a batch takes beside its records (Kafka protocol, "Record Batch"), and some room for estimates. */
const overheadBytes = 1024;

/** How much one topic takes at once. The cluster is asked once for each topic, and again after `askAgain`. */
export class TopicLimits {
  readonly #client: KafkaClient;
  readonly #limits = new Map<string, number | undefined>();
  /** Topics whose limit is to be asked for again, and holds until then. */
  readonly #stale = new Set<string>();

  constructor(client: KafkaClient) {
    this.#client = client;
  }

  knows(topic: string): boolean {
    return this.#limits.has(topic) && !this.#stale.has(topic);
  }

  /** The limit as the cluster says it. */
  known(topic: string): number | undefined {
    return this.#limits.get(topic);
  }

  /** It may have changed: the next `learn` asks the cluster again. */
  askAgain(topic: string): void {
    this.#stale.add(topic);
  }

  /** Bytes of records that may leave together. */
  of(topic: string): number {
    const bytes = this.known(topic) ?? defaultBytes;
    return bytes - Math.min(overheadBytes, bytes >> 1);
  }

  async learn(topic: string): Promise<void> {
    if (this.knows(topic)) return;
    try {
      this.#limits.set(topic, await this.#client.maxBatchBytes(topic));
    } catch (error) {
      if (isFailure(error, 'passing')) throw error;
      // Not every user may ask.
      this.#limits.set(topic, undefined);
    }
    this.#stale.delete(topic);
  }
}
