import type { StartPosition } from '@polybus/core';
import { turns } from '../../src/support/eventually.ts';
import type { Faults } from './faults.ts';
import { LogGroup, type LogRecord, type Member } from './log-group.ts';

/** One log for all topics, and its groups. It stores events as bytes. */
export class LogBroker {
  readonly #faults: Faults;
  readonly #records: LogRecord[] = [];
  readonly #named = new Map<string, LogGroup>();
  readonly #groups = new Set<LogGroup>();
  readonly #waiting = new Set<() => void>();
  isUp = true;
  hadOutage = false;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  append(topic: string, key: string | undefined, bytes: Uint8Array): void {
    const record = { offset: this.#records.length, topic, key, bytes, time: Date.now() };
    this.#records.push(record);
    // As over a wire: it arrives after the call.
    setImmediate(() => {
      for (const group of this.#groups) group.offer(record);
    });
  }

  join(member: Member): LogGroup {
    const { group: name, pattern, from } = member.request;
    let group = name === undefined ? undefined : this.#named.get(name);
    if (group === undefined) {
      group = new LogGroup(this.#faults);
      group.isPaused = !this.isUp;
      this.#groups.add(group);
      if (name !== undefined) this.#named.set(name, group);
    }
    const since = this.#beginning(from);
    const had = group;
    const isNew = ({ topic, time }: LogRecord): boolean => time >= since && !had.knows(pattern, topic);
    const missed = this.#records.filter(isNew);
    group.join(member, new Set(this.#records.map(({ topic }) => topic)));
    for (const record of missed) group.offer(record);
    return group;
  }

  #beginning(from: StartPosition): number {
    if (from === 'earliest') return Number.NEGATIVE_INFINITY;
    if (from === 'latest') return Number.POSITIVE_INFINITY;
    const isTooEarly = this.#faults.takesEarlyDatesForLatest === true && from.getTime() < 0;
    return isTooEarly ? Number.POSITIVE_INFINITY : from.getTime();
  }

  leave(member: Member, group: LogGroup): void {
    group.leave(member);
    const { group: name } = member.request;
    if (name === undefined) this.#groups.delete(group);
    else if (this.#faults.forgetsGroups === true) {
      this.#groups.delete(group);
      this.#named.delete(name);
    }
  }

  /** Resolves when the broker answers; rejects when the caller gives up. */
  async whenUp(signal: AbortSignal): Promise<void> {
    if (this.isUp) return;
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(end);
        signal.removeEventListener('abort', fail);
        resolve();
      };
      const fail = (): void => {
        this.#waiting.delete(end);
        reject(new Error('closed'));
      };
      this.#waiting.add(end);
      signal.addEventListener('abort', fail, { once: true });
    });
  }

  pause(): void {
    this.isUp = false;
    this.hadOutage = true;
    for (const group of this.#groups) group.isPaused = true;
  }

  resume(): void {
    this.isUp = true;
    for (const end of this.#waiting) end();
    for (const group of this.#groups) {
      group.isPaused = false;
      group.pump();
    }
  }

  async restart(): Promise<void> {
    this.pause();
    await turns(3);
    if (this.#faults.losesSubscriptionsAtRestart === true) this.#groups.clear();
    this.resume();
  }
}
