import { type ListenRequest, type Receiver, matchesTopic } from '@polybus/core/engine';
import type { Member } from './group-file.ts';
import type { LogBroker, PartitionInfo } from './log-broker.ts';
import type { Reader } from './log-transport.ts';
import { Partition } from './partition.ts';

/** Reads its share of the partitions for a subscription with a group. */
export class GroupMember implements Reader {
  /** The partitions that the member owns, by id. */
  readonly partitions = new Map<string, Partition>();
  isEnded = false;
  readonly #broker: LogBroker;
  readonly #group: string;
  readonly #request: ListenRequest;
  readonly #receiver: Receiver;
  readonly #leaseMs: number;
  readonly #onChange: () => void;
  /** When the lease was last renewed, by `performance.now()`. */
  #renewedAt: number;
  #isStopping = false;

  /** Joins before `listen` resolves, so that the group has a position in every partition and misses no later event. */
  constructor(
    broker: LogBroker,
    group: string,
    request: ListenRequest,
    receiver: Receiver,
    leaseMs: number,
    onChange: () => void,
  ) {
    this.#broker = broker;
    this.#group = group;
    this.#request = request;
    this.#receiver = receiver;
    this.#leaseMs = leaseMs;
    this.#onChange = onChange;
    this.#renewedAt = performance.now();
    broker.join(group, request.subscriptionId, request.pattern, request.from, leaseMs);
    receiver.mayBegin = () => this.#hasLease();
  }

  #hasLease(): boolean {
    return performance.now() - this.#renewedAt < this.#leaseMs;
  }

  renew(): void {
    // The time before the request: the broker counts from a later time, so that no other member owns a partition while this lease holds.
    const now = performance.now();
    const owned = this.#broker.renew(this.#group, this.#request.subscriptionId);
    this.#renewedAt = now;
    const lost = [...this.partitions.keys()].filter((id) => !owned.has(id));
    for (const id of lost) this.partitions.delete(id);
    if (lost.length > 0) this.#receiver.withdraw();
    this.#receiver.run();
  }

  run(): void {
    if (!this.#hasLease()) return;
    if (this.#isStopping) this.#broker.retire(this.#group, this.#request.subscriptionId);
    this.#assign();
    for (const partition of this.partitions.values()) {
      this.#commit(partition);
      if (partition.isLeaving && partition.isIdle) this.#release(partition);
      else partition.read(this.#broker, this.#receiver);
    }
    if (this.#isStopping && this.partitions.size === 0) this.leave();
  }

  /** Claims the partitions that are to be read here, and prepares the others for their next owner. */
  #assign(): void {
    const { subscriptionId, pattern } = this.#request;
    const members = this.#broker.members(this.#group);
    let isWithdrawing = false;
    for (const info of this.#broker.partitions(pattern)) {
      const isOurs = !this.#isStopping && ownerOf(info, members) === subscriptionId;
      const partition = this.partitions.get(info.id);
      if (partition === undefined) {
        if (isOurs) this.#claim(info);
      } else {
        isWithdrawing ||= !isOurs && !partition.isLeaving && !partition.isIdle;
        partition.isLeaving = !isOurs;
      }
    }
    // This releases events of all partitions. Those of partitions that stay are read again.
    if (isWithdrawing) this.#receiver.withdraw();
  }

  #claim(info: PartitionInfo): void {
    const position = this.#broker.claim(this.#group, info.id, this.#request.subscriptionId);
    // Otherwise another member has not released it yet.
    if (position !== undefined)
      this.partitions.set(info.id, new Partition(info, this.#group, position, this.#onChange));
  }

  #commit(partition: Partition): void {
    if (!partition.isDirty) return;
    this.#broker.commit(this.#group, partition.info.id, this.#request.subscriptionId, partition.position);
    partition.isDirty = false;
  }

  /** No handler of the partition runs any more, so the next owner cannot handle a key at the same time. */
  #release({ info }: Partition): void {
    this.partitions.delete(info.id);
    this.#broker.release(this.#group, info.id, this.#request.subscriptionId);
  }

  stop(): void {
    this.#isStopping = true;
    for (const partition of this.partitions.values()) partition.isLeaving = true;
  }

  leave(): void {
    this.isEnded = true;
    this.#broker.leave(this.#group, this.#request.subscriptionId);
  }
}

/** Every member computes the same owner: the partitions of a topic are spread over the members that subscribe to the topic. */
function ownerOf({ topic, index }: PartitionInfo, members: readonly Member[]): string | undefined {
  const candidates = members.filter(({ pattern }) => matchesTopic(pattern, topic));
  return candidates[index % candidates.length]?.id;
}
