import type { ListenRequest, Receiver } from '@polybus/core/engine';
import type { LogBroker, PartitionInfo } from './log-broker.ts';
import type { Reader } from './log-transport.ts';
import { Partition } from './partition.ts';

/** Reads every partition for a subscription without a group. It commits nothing. */
export class OwnReader implements Reader {
  readonly partitions = new Map<string, Partition>();
  isEnded = false;
  readonly #broker: LogBroker;
  readonly #pattern: string;
  readonly #receiver: Receiver;
  readonly #onChange: () => void;

  /** Knows its start in every partition before `listen` resolves, so that it misses no later event. */
  constructor(broker: LogBroker, { pattern, from }: ListenRequest, receiver: Receiver, onChange: () => void) {
    this.#broker = broker;
    this.#pattern = pattern;
    this.#receiver = receiver;
    this.#onChange = onChange;
    for (const info of broker.partitions(pattern)) this.#add(info, broker.offsetOf(info.id, from));
  }

  #add(info: PartitionInfo, first: number): Partition {
    const partition = new Partition(info, undefined, { first, ahead: [], attempts: [] }, this.#onChange);
    this.partitions.set(info.id, partition);
    return partition;
  }

  run(): void {
    if (this.isEnded) return;
    for (const info of this.#broker.partitions(this.#pattern)) {
      // A topic that is new is read from its first record.
      const partition = this.partitions.get(info.id) ?? this.#add(info, 0);
      partition.read(this.#broker, this.#receiver);
    }
  }

  renew(): void {}

  stop(): void {
    this.isEnded = true;
    for (const partition of this.partitions.values()) partition.isLeaving = true;
  }

  leave(): void {}
}
