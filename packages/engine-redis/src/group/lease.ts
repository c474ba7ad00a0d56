import type { GroupPlace } from './place.ts';
import { inBatches } from '../client/in-batches.ts';

/** What a lease asks of its member. */
export interface LeaseOptions {
  readonly places: ReadonlyMap<string, GroupPlace>;
  readonly durationMs: number;
  /** A heartbeat was answered, or not. */
  readonly onBeat: (place: GroupPlace) => void;
  /** The server refuses to renew the lease of these topics: no event of them may begin. */
  readonly onRefused: (places: readonly GroupPlace[]) => void;
  /** What waited for the lease may begin. */
  readonly onRenewed: () => void;
}

/**
 * Until when a member may begin what it was handed. Each heartbeat renews it in all of its topics. A process that stood still for
 * longer, or could not reach the server, begins nothing before the server has said what is still its own.
 */
export class GroupLease {
  readonly #options: LeaseOptions;
  /** By `performance.now()`. */
  #until = 0;
  /** Where it had ended, so that others may have what the member holds. */
  readonly #ended = new Set<GroupPlace>();
  #beating: Promise<void> | undefined;
  #isOver = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Whether it holds now. If its time is over, the server is asked. */
  readonly holds = (): boolean => {
    if (performance.now() < this.#until) return this.#ended.size === 0;
    void this.beat();
    return false;
  };

  /** @param since - When the server was asked for it at the earliest, by `performance.now()`: it counts from later on. */
  renewed(since: number): void {
    this.#until = Math.max(this.#until, since + this.#options.durationMs);
  }

  /** What the member holds in a place is its own. */
  confirmed(place: GroupPlace): void {
    if (this.#ended.delete(place) && this.#ended.size === 0) this.#options.onRenewed();
  }

  /** Tells the groups that the member lives. */
  beat(): Promise<void> {
    return (this.#beating ??= this.#beat().finally(() => (this.#beating = undefined)));
  }

  /** No more heartbeats: they would make the consumer exist again that has left. */
  end(): void {
    this.#isOver = true;
  }

  async #beat(): Promise<void> {
    const since = performance.now();
    let isRenewed = true;
    const refused: GroupPlace[] = [];
    await inBatches([...this.#options.places.values()], async (place) => {
      if (this.#isOver) return;
      const answer = await place.beat();
      if (answer === 'expelled') this.#ended.add(place);
      else if (answer === 'gone') this.#ended.delete(place);
      else if (answer === 'none') isRenewed = false;
      else if (answer === 'refused' && !place.isRefused) {
        if (this.#canLeaveOut(place)) refused.push(place);
        else isRenewed = false;
      }
      this.#options.onBeat(place);
    });
    if (refused.length > 0) this.#leaveOut(refused);
    if (!isRenewed || this.#isOver) return;
    const hadEnded = performance.now() >= this.#until;
    this.renewed(since);
    if (hadEnded && this.#ended.size === 0) this.#options.onRenewed();
  }

  /**
   * Whether the lease can be renewed in the other topics without this one, whose events must not begin then. While the member holds
   * entries of this topic, it waits until the lease has ended: the refusal may pass before that.
   */
  #canLeaveOut(place: GroupPlace): boolean {
    return !place.holdsAny || performance.now() >= this.#until || this.#ended.has(place);
  }

  #leaveOut(places: readonly GroupPlace[]): void {
    for (const place of places) place.isRefused = true;
    this.#options.onRefused(places);
    for (const place of places) this.confirmed(place);
  }
}
