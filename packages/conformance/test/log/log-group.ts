import { decodeStructured } from '@polybus/core/cloudevents';
import { type Acknowledgement, type ListenRequest, type Receiver, matchesTopic } from '@polybus/core/engine';
import type { Faults } from './faults.ts';

export interface LogRecord {
  readonly offset: number;
  readonly topic: string;
  readonly key: string | undefined;
  readonly bytes: Uint8Array;
  readonly time: number;
}

export interface Member {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
  isClosed: boolean;
}

/** A consumer group of the broker: hands each record to one member, and a key's records to one member at a time. */
export class LogGroup {
  readonly #faults: Faults;
  readonly #patterns = new Set<string>();
  readonly #members: Member[] = [];
  readonly #seen = new Set<number>();
  /** The events to deliver, in the order of the log. */
  #pending: LogRecord[] = [];
  readonly #inFlight = new Map<LogRecord, Member>();
  readonly #settled: LogRecord[] = [];
  #turn = 0;
  isPaused = false;
  readonly #toRun = new Set<Receiver>();
  /** The only topics that a pattern finds; undefined for all. */
  #old: ReadonlySet<string> | undefined;
  /** The patterns by which events were taken that have been given back. */
  readonly #takenBy = new Map<LogRecord, string>();
  /** Attempts that have begun. */
  readonly #attempts = new Map<LogRecord, number>();

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** True if the group has a position in the topic; `pattern` is that of a member that joins. */
  knows(pattern: string, topic: string): boolean {
    const { hasOnePositionPerGroup, hasPositionsPerPattern } = this.#faults;
    if (hasOnePositionPerGroup === true && this.#patterns.size > 0) return true;
    if (hasPositionsPerPattern === true) return this.#patterns.has(pattern);
    return this.#wants(topic);
  }

  /** @param topics - The existing topics. */
  join(member: Member, topics: ReadonlySet<string>): void {
    if (this.#faults.repeatsBehindWhatIsGivenBack === true && this.#members.length === 0) this.#goBack();
    const { pattern } = member.request;
    this.#patterns.add(pattern);
    if (this.#faults.missesTopicsThatAreNew === true) this.#old = pattern.endsWith('*') ? topics : undefined;
    this.#members.push(member);
    member.receiver.onRoom = () => queueMicrotask(() => this.pump());
    this.pump();
  }

  /** Behaves as a group that stores only the first unsettled event. */
  #goBack(): void {
    const first = Math.min(...this.#pending.map(({ offset }) => offset));
    this.#pending.push(...this.#settled.filter(({ offset }) => offset > first));
    this.#pending.sort((a, b) => a.offset - b.offset);
  }

  leave(member: Member): void {
    member.isClosed = true;
    const at = this.#members.indexOf(member);
    if (at !== -1) this.#members.splice(at, 1);
    if (this.#faults.forgetsTopicsThatItLeft === true) {
      this.#patterns.clear();
      for (const { request } of this.#members) this.#patterns.add(request.pattern);
    }
    this.pump();
  }

  /** Takes a record in, if a pattern of the group matches it. */
  offer(record: LogRecord): void {
    if (this.#seen.has(record.offset)) return;
    if (!this.#wants(record.topic) || this.#old?.has(record.topic) === false) return;
    this.#seen.add(record.offset);
    this.#pending.push(record);
    if (this.#faults.runsNoFullReceiver === true) setImmediate(() => this.pump());
    else this.pump();
  }

  #wants(topic: string): boolean {
    return [...this.#patterns].some((pattern) => this.#matches(pattern, topic));
  }

  pump(): void {
    if (this.isPaused) return;
    const blocked = new Set<string>();
    const left: LogRecord[] = [];
    const pending = this.#pending;
    this.#pending = [];
    for (const record of pending) {
      const { key } = record;
      const member = key !== undefined && blocked.has(key) ? undefined : this.#choose(record);
      if (member !== undefined) {
        this.#hand(record, member);
      } else {
        if (key !== undefined) blocked.add(key);
        left.push(record);
      }
    }
    for (const receiver of this.#toRun) if (receiver.capacity > 0) receiver.run();
    this.#toRun.clear();
    // Handing over may have given some back.
    this.#pending = [...left, ...this.#pending].sort((a, b) => a.offset - b.offset);
  }

  #choose(record: LogRecord): Member | undefined {
    const { topic, key } = record;
    const takenBy = this.#takenBy.get(record);
    if (key !== undefined && this.#faults.handsKeysToAnyMember !== true) {
      for (const [other, member] of this.#inFlight) {
        if (other.key !== key) continue;
        const isFree = !member.isClosed && member.receiver.capacity > 0;
        return isFree && this.#matches(member.request.pattern, topic) ? member : undefined;
      }
    }
    for (let tried = 0; tried < this.#members.length; tried++) {
      const member = this.#members[this.#turn++ % this.#members.length];
      if (member === undefined) break;
      const isFree = member.receiver.capacity > 0 || this.#faults.dropsWhatFindsNoRoom === true;
      const { pattern } = member.request;
      if (isFree && this.#matches(pattern, topic) && pattern === (takenBy ?? pattern)) return member;
    }
    return undefined;
  }

  #matches(pattern: string, topic: string): boolean {
    return matchesTopic(pattern, topic);
  }

  #hand(record: LogRecord, member: Member): void {
    const { receiver } = member;
    if (this.#faults.acknowledgesEarly !== true) this.#inFlight.set(record, member);
    const acknowledgement: Acknowledgement = {
      begun: (attempt) => {
        const before = this.#attempts.get(record) ?? 0;
        const counts = this.#faults.countsLeftLoops === true ? Math.max(before, attempt) : attempt;
        if (this.#faults.forgetsAttempts !== true) this.#attempts.set(record, counts);
      },
      settled: () => {
        this.#settled.push(record);
        this.#ended(record);
      },
      release: () => {
        if (this.#faults.acknowledgesEarly === true || this.#faults.losesWhatIsGivenBack === true)
          return true;
        if (this.#faults.keepsWhatIsGivenBackForItsPattern === true)
          this.#takenBy.set(record, member.request.pattern);
        this.#pending.push(record);
        this.#pending.sort((a, b) => a.offset - b.offset);
        this.#ended(record);
        return true;
      },
    };
    try {
      const event = decodeStructured(record.bytes, { topic: record.topic });
      if (this.#faults.dropsLongKeys === true && (event.key?.length ?? 0) > 256) throw new Error('long key');
      if (receiver.capacity <= 0) {
        receiver.drop(event, 'buffer-full');
        this.#ended(record);
        return;
      }
      receiver.enqueue(
        event,
        acknowledgement,
        this.#faults.countsGivingBack === true ? this.#handedBefore(record) : this.#attempts.get(record),
      );
      if (this.#faults.runsNoFullReceiver === true) this.#toRun.add(receiver);
      else receiver.run();
      if (this.#faults.deliversTwice === true)
        receiver.deliver(event, { settled: () => {}, release: () => false });
    } catch (error) {
      if (this.#faults.dropsGarbage === true) this.#ended(record);
      else if (this.#faults.endsOnGarbage === true) this.leave(member);
      else
        receiver.undecodable(
          { topic: record.topic, bytes: record.bytes, error: error as never },
          acknowledgement,
        );
    }
  }

  readonly #handed = new Map<LogRecord, number>();

  /** How often the record was handed over before. */
  #handedBefore(record: LogRecord): number {
    const before = this.#handed.get(record) ?? 0;
    this.#handed.set(record, before + 1);
    return before;
  }

  #ended(record: LogRecord): void {
    this.#inFlight.delete(record);
    queueMicrotask(() => this.pump());
  }
}
