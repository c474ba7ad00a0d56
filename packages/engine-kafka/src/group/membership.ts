import type { Logger } from '@polybus/core';
import { backoffMs, pause } from '@polybus/core/engine-kit';
import { isFailure } from '../client/failure.ts';
import type { Assignment, GroupSession, Joined, MemberTopics } from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';

/** The functions of a group that its membership calls. */
export interface MembershipHandler {
  /** The topics to join with. All members join again if the user data changes. */
  memberMetadata(): { readonly topics: readonly string[]; readonly userData: string };
  /** Distributes the partitions. Called if this member leads the group. */
  assign(members: readonly MemberTopics[]): Promise<ReadonlyMap<string, Assignment>>;
  /** The member has these partitions until `revoked` or `lost`. Resolves when the start offset of each is committed. */
  assigned(assignment: Assignment): Promise<void>;
  /** Other members may get the partitions as soon as this resolves. */
  revoked(): Promise<void>;
  /** Other members may already have the partitions. */
  lost(): void;
  /** The member still has its partitions after it was uncertain: see `ownsPartitions`. */
  confirmed(): void;
}

export interface MembershipTimes {
  readonly heartbeatIntervalMs: number;
  readonly sessionTimeoutMs: number;
}

const initialBackoffMs = 200;
const maxBackoffMs = 2000;
/** How long `join` tries again after a failure that may pass, before it rejects. */
const joinTimeoutMs = 30_000;
/** How long joins fail before the engine logs a warning, in milliseconds. */
const warnAfterMs = 5000;

interface Waiting {
  readonly version: number;
  /** By `performance.now()`. */
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** This process's membership in a consumer group: joins, sends heartbeats, joins again after a rebalance, and leaves. */
export class Membership {
  readonly #groupId: string;
  readonly #session: GroupSession;
  readonly #handler: MembershipHandler;
  readonly #times: MembershipTimes;
  readonly #logger: Logger;
  readonly #leaving = new AbortController();
  #running: Promise<void> | undefined;
  #version = 0;
  #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  #heartbeats: NodeJS.Timeout | undefined;
  #isJoining = false;
  /** The value of `#heartbeats` when the heartbeat without an answer left. */
  #inFlight: NodeJS.Timeout | undefined;
  /** When the last request left that kept the session alive, by `performance.now()`. */
  #aliveAt = Number.NEGATIVE_INFINITY;
  #end: 'rebalance' | 'lost' | undefined;
  #joined: Joined | undefined;
  #failure: unknown;
  /** When the first of the failures in a row happened, by `performance.now()`. */
  #failingSince: number | undefined;
  #isWarned = false;

  constructor(
    groupId: string,
    session: GroupSession,
    handler: MembershipHandler,
    times: MembershipTimes,
    logger: Logger,
  ) {
    this.#groupId = groupId;
    this.#session = session;
    this.#handler = handler;
    this.#times = times;
    this.#logger = logger;
  }

  /** Why the last attempt to join failed; undefined if it succeeded. */
  get failure(): unknown {
    return this.#failure;
  }

  /**
   * True while the broker cannot have given the member's partitions to others. False after the process was suspended for longer
   * than the session timeout, until the member has joined again or a later heartbeat was answered.
   */
  get ownsPartitions(): boolean {
    return this.#end !== 'lost' && !this.#isOverdue();
  }

  /** Joins with the current topics. Resolves when the start offset of each assigned partition is committed. */
  join(): Promise<void> {
    this.#version++;
    const joined = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ version: this.#version, since: performance.now(), resolve, reject });
    });
    this.#running ??= this.#run();
    this.#wake?.();
    return joined;
  }

  /** Gives up the partitions and leaves the group. */
  async leave(): Promise<void> {
    this.#leaving.abort(new Error('the member leaves its group'));
    this.#wake?.();
    // A join lasts until all members have joined. The broker counts this member until it leaves.
    if (this.#isJoining) await this.#leaveSession();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#leaving;
    let failures = 0;
    while (!signal.aborted) {
      const version = this.#version;
      try {
        await this.#joinOnce(version);
        failures = 0;
        await this.#untilChange(version);
        if (!this.#isLost()) await this.#handler.revoked();
        // The session may have ended while the member waited for handlers.
        if (this.#isLost()) this.#handler.lost();
      } catch (error) {
        if (signal.aborted) break;
        if (!isFailure(error, 'rebalance')) {
          this.#failed(error, version);
          failures++;
        }
        if (isFailure(error, 'fenced')) this.#handler.lost();
        await pause(backoffMs(Math.max(1, failures), initialBackoffMs, maxBackoffMs), signal).catch(() => {});
      } finally {
        this.#stopHeartbeats();
      }
    }
    for (const { reject } of this.#waiting.splice(0)) reject(signal.reason);
    await this.#leaveSession();
  }

  async #leaveSession(): Promise<void> {
    await this.#session.leave().catch((error: unknown) => {
      this.#logger.debug?.('a member could not leave its group', { error: messageOf(error) });
    });
  }

  #isLost(): boolean {
    return this.#end === 'lost';
  }

  async #joinOnce(version: number): Promise<void> {
    const joined = await this.#joinSession();
    const before = this.#joined;
    this.#joined = joined;
    this.#startHeartbeats(joined.aliveAt);
    // The member was removed or missed a generation: other members may have had its partitions in between.
    if (joined.memberId !== before?.memberId || joined.generation > before.generation + 1)
      this.#handler.lost();
    await this.#handler.assigned(joined.partitions);
    this.#failure = this.#failingSince = undefined;
    this.#isWarned = false;
    const ready = this.#waiting.filter((one) => one.version <= version);
    this.#waiting = this.#waiting.filter((one) => one.version > version);
    for (const { resolve } of ready) resolve();
  }

  async #joinSession(): Promise<Joined> {
    const { topics, userData } = this.#handler.memberMetadata();
    this.#isJoining = true;
    try {
      const joined = await this.#session.join(topics, userData, (members) => this.#handler.assign(members));
      this.#leaving.signal.throwIfAborted();
      return joined;
    } finally {
      this.#isJoining = false;
    }
  }

  /** Warns once per outage. A failure that the next attempt repairs, such as a leader that moves, is logged for debugging. */
  #log(error: unknown, isWarning: boolean): void {
    const message = 'a member could not join its group and tries again';
    const fields = { group: this.#groupId, error: messageOf(error) };
    if (isWarning && !this.#isWarned && !isFailure(error, 'fenced')) {
      this.#isWarned = true;
      this.#logger.warn(message, fields);
    } else {
      this.#logger.debug?.(message, fields);
    }
  }

  #failed(error: unknown, version: number): void {
    if (!isFailure(error, 'fenced')) this.#failure = error;
    this.#failingSince ??= performance.now();
    const isFinal = isFailure(error, 'refused', 'lasting', 'invalid-topic');
    this.#log(error, isFinal || performance.now() - this.#failingSince >= warnAfterMs);
    // Callers of `join` get a failure at once if another attempt cannot repair it, and otherwise after the timeout.
    const since = isFinal ? Number.POSITIVE_INFINITY : performance.now() - joinTimeoutMs;
    if (!isFinal && this.#failingSince > since) return;
    const hasTimedOut = (one: Waiting): boolean => one.version <= version && one.since <= since;
    const rejected = this.#waiting.filter(hasTimedOut);
    this.#waiting = this.#waiting.filter((one) => !hasTimedOut(one));
    for (const { reject } of rejected) reject(error);
  }

  /** Resolves when the member has to join again or leaves. */
  #untilChange(version: number): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#version === version && this.#end === undefined && !this.#leaving.signal.aborted) return;
        this.#wake = undefined;
        resolve();
      };
      this.#wake = look;
      look();
    });
  }

  /**
   * Heartbeats continue while a revocation waits for handlers.
   *
   * @param aliveAt - When the last request left that kept the session alive.
   */
  #startHeartbeats(aliveAt: number): void {
    this.#stopHeartbeats();
    this.#end = undefined;
    this.#aliveAt = aliveAt;
    this.#heartbeats = setInterval(() => void this.#heartbeat(), this.#times.heartbeatIntervalMs);
  }

  #stopHeartbeats(): void {
    clearInterval(this.#heartbeats);
    this.#heartbeats = undefined;
  }

  async #heartbeat(): Promise<void> {
    const timer = this.#heartbeats;
    const now = performance.now();
    // A broker that does not answer does not report that the session has ended, either.
    if (this.#isOverdue()) this.#missed(undefined, now);
    if (this.#inFlight === timer) return;
    this.#inFlight = timer;
    try {
      await this.#session.heartbeat();
      if (timer === this.#heartbeats) this.#answered(now);
    } catch (error) {
      if (timer === this.#heartbeats) this.#missed(error, now);
    } finally {
      if (this.#inFlight === timer) this.#inFlight = undefined;
    }
  }

  /** @param at - When the heartbeat left. */
  #answered(at: number): void {
    const ownedPartitions = this.ownsPartitions;
    this.#aliveAt = at;
    if (!ownedPartitions && this.ownsPartitions) this.#handler.confirmed();
  }

  #isOverdue(): boolean {
    return performance.now() - this.#aliveAt > this.#times.sessionTimeoutMs;
  }

  /** @param at - When the heartbeat left. */
  #missed(error: unknown, at: number): void {
    if (isFailure(error, 'rebalance')) {
      this.#aliveAt = at;
      this.#end ??= 'rebalance';
    } else if (isFailure(error, 'fenced') || this.#isOverdue()) {
      this.#end = 'lost';
    }
    this.#wake?.();
  }
}
