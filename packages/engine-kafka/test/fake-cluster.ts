import { onTestFinished } from 'vitest';
import type { KafkaFailure } from '../src/client/failure.ts';
import type { FetchedRecord } from '../src/client/fetched-record.ts';
import type { FetchRequest, KafkaClient, PartitionOffset } from '../src/client/kafka-client.ts';

/** A cluster of one broker behind the engine's port to its client, for what depends on who answers when. */
export class FakeCluster {
  /** Records of one answer, of each partition. */
  perFetch = 10;
  /** Each topic, with the leader of each partition. */
  topics: ReadonlyMap<string, readonly number[]> = new Map();
  readonly requests: FetchRequest[] = [];
  /** The error of a fetch at a position. */
  failureAt: (position: PartitionOffset) => KafkaFailure | undefined = () => undefined;
  readonly #ends = new Map<string, number>();
  #wake: (() => void)[] = [];
  /** Requests that have no answer yet. */
  waiting = 0;

  readonly client = {
    topics: () => Promise.resolve(this.topics),
    offsets: (partitions: ReadonlyMap<string, readonly number[]>, at: unknown) =>
      Promise.resolve(
        [...partitions].flatMap(([topic, ids]) =>
          ids.map((partition) => ({
            topic,
            partition,
            offset: at === 'latest' ? this.end(topic, partition) : 0,
          })),
        ),
      ),
    fetch: (_: number, request: FetchRequest) => this.#fetch(request),
  } as unknown as KafkaClient;

  end(topic: string, partition = 0): number {
    return this.#ends.get(`${topic}:${partition}`) ?? 0;
  }

  append(topic: string, partition: number, count: number): void {
    this.#ends.set(`${topic}:${partition}`, this.end(topic, partition) + count);
    for (const wake of this.#wake.splice(0)) wake();
  }

  async #fetch(request: FetchRequest) {
    this.requests.push(request);
    this.waiting++;
    const isAny = request.positions.some(
      (one) => one.offset < this.end(one.topic, one.partition) || this.failureAt(one) !== undefined,
    );
    if (!isAny && request.maxWaitMs > 0) await this.#more(request.maxWaitMs);
    this.waiting--;
    return request.positions.map((position) => {
      const { topic, partition, offset } = position;
      const end = this.end(topic, partition);
      const failure = this.failureAt(position);
      const next = failure === undefined ? Math.min(offset + this.perFetch, end) : offset;
      const records = Array.from({ length: Math.max(0, next - offset) }, (_, n) => recordAt(offset + n));
      const of = { topic, partition, highWatermark: end, lastStable: end, failure };
      return { ...of, records, next: records.length === 0 ? undefined : next };
    });
  }

  #more(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
      onTestFinished(() => clearTimeout(timer));
    });
  }
}

function recordAt(offset: number): FetchedRecord {
  const value = Buffer.from(String(offset));
  return { offset, timestamp: 0, key: null, value, headers: {}, takers: 0, decoded: undefined };
}
