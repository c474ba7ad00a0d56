import type { OutgoingRecord } from '../kafka-client.ts';

interface Share {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly OutgoingRecord[];
}

interface Producer {
  readonly producerId: unknown;
  readonly producerEpoch: number;
}

/** Sequence numbers are 32 bits, and begin again. */
const modulus = 2 ** 31;

/** The count of what an idempotent producer has sent to each partition, by which brokers tell a batch that comes twice. */
export class Sequences {
  producer: Producer | undefined;
  readonly #next = new Map<string, number>();
  /** What left for a partition last, until the broker has accepted it. */
  readonly #open = new Map<string, readonly OutgoingRecord[]>();

  reset(): void {
    this.producer = undefined;
    this.#next.clear();
    this.#open.clear();
  }

  /**
   * Before a request. A batch that may have arrived, and is now another one, needs a producer that is new: by its number the
   * broker would take it for the one before, and leave out what is new in it.
   */
  async begin(shares: readonly Share[], create: () => Promise<Producer>): Promise<void> {
    const isAnother = shares.some((share) => {
      const open = this.#open.get(keyOf(share));
      return open !== undefined && !isSame(open, share.records);
    });
    if (isAnother) this.reset();
    this.producer ??= await create();
    for (const share of shares) this.#open.set(keyOf(share), share.records);
  }

  of(share: Share): number {
    return this.#next.get(keyOf(share)) ?? 0;
  }

  accepted(share: Share): void {
    const key = keyOf(share);
    this.#next.set(key, (this.of(share) + share.records.length) % modulus);
    this.#open.delete(key);
  }

  refused(share: Share): void {
    this.#open.delete(keyOf(share));
  }
}

function isSame(a: readonly OutgoingRecord[], b: readonly OutgoingRecord[]): boolean {
  return a.length === b.length && a.every((one, n) => one === b[n]);
}

function keyOf({ topic, partition }: Share): string {
  return `${topic}:${partition}`;
}
