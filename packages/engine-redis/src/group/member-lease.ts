import { inBatches } from '../client/in-batches.ts';

/**
 * The result of a heartbeat. `expired`: the lease had ended, so others may have taken over the member's entries. `no-group`: the
 * group does not exist, so no consumer has entries in it. `refused`: the server answered with another error, for example because
 * the user may not use this stream.
 */
export type HeartbeatResult = 'renewed' | 'expired' | 'no-group' | 'refused' | 'no-answer';

/** A topic in which a member holds a lease. */
export interface LeasedTopic {
  /** Whether the member has unsettled entries of this topic. */
  readonly isHolding: boolean;
  /** Whether the topic is left out of the lease, because the server refuses to renew it. Set by the lease. */
  isRefused: boolean;
  /** Renews the lease on the server. */
  heartbeat(): Promise<HeartbeatResult>;
  onHeartbeat(): void;
}

/** The functions of a member that its lease calls. */
export interface LeaseOptions<T extends LeasedTopic> {
  readonly topics: ReadonlyMap<string, T>;
  readonly durationMs: number;
  /** The server refuses to renew the lease of these topics: no event of them may begin. */
  readonly onRefused: (topics: readonly T[]) => void;
  /** Events that waited for the lease may begin. */
  readonly onRenewed: () => void;
}

/**
 * Until when a member may begin the events that it holds. Each heartbeat renews the lease in all topics of the member. If the lease
 * has ended, because the process stood still or the server did not answer, the member begins nothing until the server has said
 * which entries it still has.
 */
export class MemberLease<T extends LeasedTopic> {
  readonly #options: LeaseOptions<T>;
  /** By `performance.now()`. */
  #until = 0;
  /** Topics in which the lease had ended, so that others may have taken over the member's entries. */
  readonly #expired = new Set<T>();
  #renewing: Promise<void> | undefined;
  #isOver = false;

  constructor(options: LeaseOptions<T>) {
    this.#options = options;
  }

  /** Whether the member may begin events. If the time of the lease is over, this also renews it. */
  readonly isHeld = (): boolean => {
    if (performance.now() < this.#until) return this.#expired.size === 0;
    void this.renew();
    return false;
  };

  /** @param since - When the renewal was sent at the earliest, by `performance.now()`. */
  renewed(since: number): void {
    this.#until = Math.max(this.#until, since + this.#options.durationMs);
  }

  /** The member has compared the entries that it holds of a topic with the server's. */
  confirmed(topic: T): void {
    if (this.#expired.delete(topic) && this.#expired.size === 0) this.#options.onRenewed();
  }

  /** Sends heartbeats. */
  renew(): Promise<void> {
    return (this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined)));
  }

  /** Ends the heartbeats: they would create the consumer again after it has left. */
  end(): void {
    this.#isOver = true;
  }

  async #renew(): Promise<void> {
    const since = performance.now();
    let isRenewed = true;
    const refused: T[] = [];
    await inBatches([...this.#options.topics.values()], async (topic) => {
      if (this.#isOver) return;
      const result = await topic.heartbeat();
      if (result === 'expired') this.#expired.add(topic);
      else if (result === 'no-group') this.#expired.delete(topic);
      else if (result === 'no-answer') isRenewed = false;
      else if (result === 'refused' && !topic.isRefused) {
        if (this.#canLeaveOut(topic)) refused.push(topic);
        else isRenewed = false;
      }
      topic.onHeartbeat();
    });
    if (refused.length > 0) this.#leaveOut(refused);
    if (!isRenewed || this.#isOver) return;
    const hadEnded = performance.now() >= this.#until;
    this.renewed(since);
    if (hadEnded && this.#expired.size === 0) this.#options.onRenewed();
  }

  /**
   * Whether the lease can be renewed without this topic, whose events must not begin then. While the member holds entries of the
   * topic, this waits until the lease has ended: the refusal may be temporary.
   */
  #canLeaveOut(topic: T): boolean {
    return !topic.isHolding || performance.now() >= this.#until || this.#expired.has(topic);
  }

  #leaveOut(topics: readonly T[]): void {
    for (const topic of topics) topic.isRefused = true;
    this.#options.onRefused(topics);
    for (const topic of topics) this.confirmed(topic);
  }
}
