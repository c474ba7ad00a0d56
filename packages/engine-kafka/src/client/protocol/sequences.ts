import type { OutgoingRecord } from '../kafka-client.ts';
import type { Producer } from './broker.ts';

interface Share {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly OutgoingRecord[];
}

/** Sequence numbers have 31 bits, and wrap around. */
const modulus = 2 ** 31;

/** The sequence numbers of an idempotent producer, by which brokers recognize a batch that they already have. */
export class Sequences {
  producer: Producer | undefined;
  readonly #next = new Map<string, number>();
  /** The last batch of each partition, until the broker has accepted it. */
  readonly #open = new Map<string, readonly OutgoingRecord[]>();

  reset(): void {
    this.producer = undefined;
    this.#next.clear();
    this.#open.clear();
  }

  /**
   * Call before a request. If a batch may have been written and is now sent with other records, a new producer is needed: the broker
   * would take the new batch for the old one and discard it.
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
