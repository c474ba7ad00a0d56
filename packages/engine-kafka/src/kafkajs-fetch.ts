import type { FetchedPartition, FetchedRecord } from './client-port.ts';

/** What kafkajs makes of an answer to a fetch; its types leave it open. */
export interface RawFetchResponse {
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly RawPartition[] }[];
}

interface RawPartition {
  readonly partition: number;
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[];
  readonly messages: readonly RawMessage[];
}

interface RawMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: FetchedRecord['headers'];
  readonly isControlRecord?: boolean;
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean };
}

export function toFetched({ responses }: RawFetchResponse): FetchedPartition[] {
  return responses.flatMap(({ topicName, partitions }) =>
    partitions.map((one) => ({ topic: topicName, ...recordsOf(one) })),
  );
}

function recordsOf({
  partition,
  messages,
  abortedTransactions,
}: RawPartition): Omit<FetchedPartition, 'topic'> {
  const aborted = new AbortedTransactions(abortedTransactions ?? []);
  const records: FetchedRecord[] = [];
  for (const message of messages) {
    const offset = Number(message.offset);
    if (aborted.holds(message, offset) || message.isControlRecord === true) continue;
    const { timestamp, key, value, headers = {} } = message;
    records.push({
      offset,
      timestamp: Number(timestamp),
      key,
      value,
      headers,
      takers: 0,
      decoded: undefined,
    });
  }
  const last = messages.at(-1);
  return { partition, records, next: last === undefined ? undefined : Number(last.offset) + 1 };
}

/** Tells the records of transactions that were given up, which the broker leaves to its clients to leave out. */
class AbortedTransactions {
  readonly #toCome: { producerId: string; firstOffset: number }[];
  readonly #open = new Set<string>();

  constructor(aborted: readonly { producerId: string; firstOffset: string }[]) {
    this.#toCome = aborted
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
      .sort((a, b) => a.firstOffset - b.firstOffset);
  }

  holds({ key, isControlRecord, batchContext }: RawMessage, offset: number): boolean {
    for (
      let next = this.#toCome[0];
      next !== undefined && next.firstOffset <= offset;
      next = this.#toCome[0]
    ) {
      this.#open.add(next.producerId);
      this.#toCome.shift();
    }
    if (batchContext === undefined || !this.#open.has(batchContext.producerId)) return false;
    // A control record's key: its version, and its type, which is 0 for the end of an aborted transaction.
    if (isControlRecord === true && key !== null && key.readInt16BE(2) === 0) {
      this.#open.delete(batchContext.producerId);
    }
    return batchContext.inTransaction;
  }
}
