import type { Logger } from '@polybus/core';
import { backoffMs } from '@polybus/core/engine-kit';
import { isFailure } from '../client/failure.ts';
import type { Assignment, GroupSession, Joined, MemberTopics } from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';
import { pause } from '../pause.ts';

/** What a member asks of those whose membership it is. */
export interface MemberWork {
  /** The topics that it wants, and anything at whose change all members have to join again. */
  wanted(): { readonly topics: readonly string[]; readonly about: string };
  assign(members: readonly MemberTopics[]): Promise<ReadonlyMap<string, Assignment>>;
  /** These partitions are this member's until `revoked` or `lost`; resolves when its place in each is pinned. */
  assigned(assignment: Assignment): Promise<void>;
  /** Others may get the partitions as soon as this resolves. */
  revoked(): Promise<void>;
  /** Others may have the partitions already. */
  lost(): void;
  /** The member is sure of its partitions again: see `isSure`. */
  confirmed(): void;
}

export interface MemberTimes {
  readonly heartbeatIntervalMs: number;
  readonly sessionTimeoutMs: number;
}

const initialBackoffMs = 200;
const maxBackoffMs = 2000;
/** How long those who wait for a member are told nothing of what may pass. */
const patienceMs = 30_000;
/** How long it fails before that is worth a warning, in milliseconds. */
const warnAfterMs = 5000;

interface Waiting {
  readonly version: number;
  /** By `performance.now()`. */
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A member of a consumer group: joins, sends heartbeats, joins again where it has to, and leaves. */
export class GroupMember {
  readonly #groupId: string;
  readonly #session: GroupSession;
  readonly #work: MemberWork;
  readonly #times: MemberTimes;
  readonly #logger: Logger;
  readonly #leaving = new AbortController();
  #running: Promise<void> | undefined;
  #version = 0;
  #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  #heartbeats: NodeJS.Timeout | undefined;
  #isJoining = false;
  /** Whose heartbeat is on its way. */
  #beating: NodeJS.Timeout | undefined;
  /** When what the broker took for a sign of life left last, by `performance.now()`. */
  #aliveAt = Number.NEGATIVE_INFINITY;
  #end: 'rebalance' | 'lost' | undefined;
  #joined: Joined | undefined;
  #trouble: unknown;
  /** By `performance.now()`. */
  #failingSince: number | undefined;
  #isTold = false;

  constructor(groupId: string, session: GroupSession, work: MemberWork, times: MemberTimes, logger: Logger) {
    this.#groupId = groupId;
    this.#session = session;
    this.#work = work;
    this.#times = times;
    this.#logger = logger;
  }

  /** Why it could not join when it tried last; undefined where it has. */
  get trouble(): unknown {
    return this.#trouble;
  }

  /**
   * True while the broker cannot have given the member's partitions to others. After the process has stood still for longer
   * than the session it is false, until the member has joined again, or a heartbeat is answered that left since.
   */
  get isSure(): boolean {
    return this.#end !== 'lost' && !this.#isOverdue();
  }

  /** Joins with the topics as they are wanted now; resolves when the places in the partitions that it got are pinned. */
  join(): Promise<void> {
    this.#version++;
    const joined = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ version: this.#version, since: performance.now(), resolve, reject });
    });
    this.#running ??= this.#run();
    this.#wake?.();
    return joined;
  }

  /** Lets go of the partitions. */
  async leave(): Promise<void> {
    this.#leaving.abort(new Error('the member leaves its group'));
    this.#wake?.();
    // A join lasts until all others have joined, and is a member's until somebody says that it is not.
    if (this.#isJoining) await this.#sayGoodbye();
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
        if (!this.#isLost()) await this.#work.revoked();
        // It may have been expelled while it waited for handlers.
        if (this.#isLost()) this.#work.lost();
      } catch (error) {
        if (signal.aborted) break;
        if (!isFailure(error, 'rebalance')) {
          this.#failed(error, version);
          failures++;
        }
        if (isFailure(error, 'fenced')) this.#work.lost();
        await pause(backoffMs(Math.max(1, failures), initialBackoffMs, maxBackoffMs), signal).catch(() => {});
      } finally {
        this.#stopHeartbeats();
      }
    }
    for (const { reject } of this.#waiting.splice(0)) reject(signal.reason);
    await this.#sayGoodbye();
  }

  async #sayGoodbye(): Promise<void> {
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
    // Out of the group, or without it in a generation: others may have had its partitions meanwhile, and gone on in them.
    if (joined.memberId !== before?.memberId || joined.generation > before.generation + 1) this.#work.lost();
    await this.#work.assigned(joined.partitions);
    this.#trouble = this.#failingSince = undefined;
    this.#isTold = false;
    const ready = this.#waiting.filter((one) => one.version <= version);
    this.#waiting = this.#waiting.filter((one) => one.version > version);
    for (const { resolve } of ready) resolve();
  }

  async #joinSession(): Promise<Joined> {
    const { topics, about } = this.#work.wanted();
    this.#isJoining = true;
    try {
      const joined = await this.#session.join(topics, about, (members) => this.#work.assign(members));
      this.#leaving.signal.throwIfAborted();
      return joined;
    } finally {
      this.#isJoining = false;
    }
  }

  /** Warns once: it may be out for long. What the next attempt repairs, such as a new topic or a leader that moves, is no warning. */
  #tell(error: unknown, isWorthIt: boolean): void {
    const message = 'a member could not join its group and tries again';
    const fields = { group: this.#groupId, error: messageOf(error) };
    if (isWorthIt && !this.#isTold && !isFailure(error, 'fenced')) {
      this.#isTold = true;
      this.#logger.warn(message, fields);
    } else {
      this.#logger.debug?.(message, fields);
    }
  }

  #failed(error: unknown, version: number): void {
    if (!isFailure(error, 'fenced')) this.#trouble = error;
    this.#failingSince ??= performance.now();
    const isFinal = isFailure(error, 'refused', 'lasting', 'invalid-topic');
    this.#tell(error, isFinal || performance.now() - this.#failingSince >= warnAfterMs);
    // What trying again does not change, those who wait have to know; and the rest, once it has lasted.
    const since = isFinal ? Number.POSITIVE_INFINITY : performance.now() - patienceMs;
    if (!isFinal && this.#failingSince > since) return;
    const isOver = (one: Waiting): boolean => one.version <= version && one.since <= since;
    const over = this.#waiting.filter(isOver);
    this.#waiting = this.#waiting.filter((one) => !isOver(one));
    for (const { reject } of over) reject(error);
  }

  /** Resolves when the member has to join again, or leaves. */
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
   * They go on while a revocation waits for handlers.
   *
   * @param aliveAt - When the sign of life left that the broker had before the first of them.
   */
  #startHeartbeats(aliveAt: number): void {
    this.#stopHeartbeats();
    this.#end = undefined;
    this.#aliveAt = aliveAt;
    this.#heartbeats = setInterval(() => void this.#beat(), this.#times.heartbeatIntervalMs);
  }

  #stopHeartbeats(): void {
    clearInterval(this.#heartbeats);
    this.#heartbeats = undefined;
  }

  async #beat(): Promise<void> {
    const timer = this.#heartbeats;
    const now = performance.now();
    // A broker that says nothing does not say that the member is out, either.
    if (this.#isOverdue()) this.#missed(undefined, now);
    if (this.#beating === timer) return;
    this.#beating = timer;
    try {
      await this.#session.heartbeat();
      if (timer === this.#heartbeats) this.#answered(now);
    } catch (error) {
      if (timer === this.#heartbeats) this.#missed(error, now);
    } finally {
      if (this.#beating === timer) this.#beating = undefined;
    }
  }

  /** @param at - When the heartbeat left. */
  #answered(at: number): void {
    const wasSure = this.isSure;
    this.#aliveAt = at;
    if (!wasSure && this.isSure) this.#work.confirmed();
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
