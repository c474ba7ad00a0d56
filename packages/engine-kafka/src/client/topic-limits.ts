import { type KafkaClient, isFailure } from './client-port.ts';

/** Kafka's default for `max.message.bytes`, where the cluster does not say. */
const defaultBytes = 1_048_588;
/** What a batch takes beside its records (Kafka protocol, "Record Batch"), and some room for estimates. */
const overheadBytes = 1024;

/** How much one topic takes at once. The cluster is asked once for each topic, until what it said is forgotten. */
export class TopicLimits {
  readonly #client: KafkaClient;
  readonly #limits = new Map<string, number | undefined>();

  constructor(client: KafkaClient) {
    this.#client = client;
  }

  knows(topic: string): boolean {
    return this.#limits.has(topic);
  }

  /** The limit as the cluster says it. */
  known(topic: string): number | undefined {
    return this.#limits.get(topic);
  }

  /** It may have changed: the cluster is asked again. */
  forget(topic: string): void {
    this.#limits.delete(topic);
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
  }
}
