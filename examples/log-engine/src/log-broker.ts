import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StartPosition } from '@polybus/core';
import { matchesTopic } from '@polybus/core/engine';
import { GroupFile, type GroupState, type Member, type Position } from './group-file.ts';
import { LogFile, type LogRecord } from './log-file.ts';

/** One partition of a topic. */
export interface PartitionInfo {
  readonly id: string;
  readonly topic: string;
  readonly index: number;
}

const partitionsPerTopic = 8;

/**
 * A toy broker: append-only logs in a folder, and what consumer groups need. The processes that use the folder share the broker. Every
 * method stands for a request to a server: it throws while the broker is down.
 */
export class LogBroker {
  readonly #topics: string;
  readonly #groups: string;
  /** Grows with each change, so that other processes notice. */
  readonly #changes: string;
  /** Exists while the broker is down. */
  readonly #down: string;
  readonly #logs = new Map<string, PartitionInfo & { readonly file: LogFile }>();
  readonly #groupFiles = new Map<string, GroupFile>();

  constructor(folder: string) {
    this.#topics = join(folder, 'topics');
    this.#groups = join(folder, 'groups');
    this.#changes = join(folder, 'changes');
    this.#down = join(folder, 'down');
    for (const path of [this.#topics, this.#groups]) mkdirSync(path, { recursive: true });
    appendFileSync(this.#changes, '');
  }

  /** Calls the function after each change, in whichever process. Returns a function that ends this. */
  watch(onChange: () => void): () => void {
    const watcher = watch(this.#changes, onChange);
    return () => watcher.close();
  }

  setUp(isUp: boolean): void {
    if (isUp) rmSync(this.#down, { force: true });
    else writeFileSync(this.#down, '');
    this.#changed();
  }

  #changed(): void {
    appendFileSync(this.#changes, '.');
  }

  assertUp(): void {
    if (existsSync(this.#down)) throw new Error('the broker does not answer');
  }

  /** Appends a record. Records with the same key, and those without a key, are in one partition of the topic. */
  append(topic: string, key: string | undefined, bytes: Uint8Array): void {
    this.assertUp();
    if (!existsSync(join(this.#topics, topic))) this.#createTopic(topic);
    this.#log({ topic, index: hash(key ?? '') % partitionsPerTopic }).file.append(bytes);
    this.#changed();
  }

  /** A group with a matching pattern reads a new topic from its first record. */
  #createTopic(topic: string): void {
    for (const name of readdirSync(this.#groups)) {
      this.#groupFile(name).update(({ patterns, positions }) => {
        if (![...patterns].some((pattern) => matchesTopic(pattern, topic))) return;
        for (let index = 0; index < partitionsPerTopic; index++) {
          const id = partitionId(topic, index);
          if (!positions.has(id)) positions.set(id, startAt(0));
        }
      });
    }
    mkdirSync(join(this.#topics, topic), { recursive: true });
  }

  #log({ topic, index }: Omit<PartitionInfo, 'id'>): PartitionInfo & { readonly file: LogFile } {
    const id = partitionId(topic, index);
    let log = this.#logs.get(id);
    if (log === undefined) {
      log = { id, topic, index, file: new LogFile(join(this.#topics, topic, String(index)), topic) };
      this.#logs.set(id, log);
    }
    return log;
  }

  /** The partitions of all topics that match a pattern. */
  partitions(pattern: string): PartitionInfo[] {
    this.assertUp();
    const topics = readdirSync(this.#topics).filter((topic) => matchesTopic(pattern, topic));
    return topics.flatMap((topic) =>
      Array.from({ length: partitionsPerTopic }, (_, index) => this.#log({ topic, index })),
    );
  }

  read(id: string, offset: number, max: number): LogRecord[] {
    this.assertUp();
    return this.#logs
      .get(id)!
      .file.records()
      .slice(offset, offset + max);
  }

  /** The offset of the first record at or after a position; for `latest`, that of the next record. */
  offsetOf(id: string, from: StartPosition): number {
    this.assertUp();
    if (from === 'earliest') return 0;
    const records = this.#logs.get(id)!.file.records();
    const at = from === 'latest' ? -1 : records.findIndex(({ time }) => time >= from.getTime());
    return at === -1 ? records.length : at;
  }

  /** Adds a member to a group. The group starts at `from` in each partition that is new to it. */
  join(name: string, member: string, pattern: string, from: StartPosition, leaseMs: number): void {
    this.#update(name, ({ patterns, positions, sessions }) => {
      patterns.add(pattern);
      for (const { id } of this.partitions(pattern))
        if (!positions.has(id)) positions.set(id, startAt(this.offsetOf(id, from)));
      sessions.set(member, { id: member, pattern, leaseMs, aliveAt: machineNow(), isStaying: true });
    });
    this.#changed();
  }

  /** Renews the lease of a member, and returns the ids of the partitions that it owns. */
  renew(name: string, member: string): ReadonlySet<string> {
    return this.#update(name, ({ sessions, owners }) => {
      sessions.set(member, { ...sessions.get(member)!, aliveAt: machineNow() });
      return new Set([...owners].filter(([, owner]) => owner === member).map(([id]) => id));
    });
  }

  /** The members of a group that take part in the assignment, in an order that is the same for all of them. */
  members(name: string): Member[] {
    const state = this.#read(name);
    return [...state.sessions.values()].filter(({ id, isStaying }) => isStaying && isAlive(state, id));
  }

  /** Makes the member the owner of a partition, unless another live member owns it. */
  claim(name: string, id: string, member: string): Position | undefined {
    return this.#update(name, (state) => {
      const owner = state.owners.get(id);
      if (owner !== undefined && owner !== member && isAlive(state, owner)) return undefined;
      state.owners.set(id, member);
      // A topic that was created after the group had joined.
      return state.positions.get(id) ?? startAt(0);
    });
  }

  /** Ignores the position of a member that does not own the partition any more. */
  commit(name: string, id: string, member: string, position: Position): void {
    this.#update(name, ({ owners, positions }) => {
      if (owners.get(id) === member) positions.set(id, position);
    });
  }

  release(name: string, id: string, member: string): void {
    this.#update(name, ({ owners }) => {
      if (owners.get(id) === member) owners.delete(id);
    });
    this.#changed();
  }

  /** Takes the member out of the assignment. It still owns its partitions. */
  retire(name: string, member: string): void {
    const isNews = this.#update(name, ({ sessions }) => {
      const session = sessions.get(member)!;
      sessions.set(member, { ...session, isStaying: false });
      return session.isStaying;
    });
    if (isNews) this.#changed();
  }

  /** Removes the member. Others can claim the partitions that it still owns. */
  leave(name: string, member: string): void {
    this.#update(name, ({ sessions }) => sessions.delete(member));
    this.#changed();
  }

  #read(name: string): GroupState {
    this.assertUp();
    return this.#groupFile(digest(name)).read();
  }

  #update<T>(name: string, change: (state: GroupState) => T): T {
    this.assertUp();
    return this.#groupFile(digest(name)).update(change);
  }

  #groupFile(name: string): GroupFile {
    let file = this.#groupFiles.get(name);
    if (file === undefined) this.#groupFiles.set(name, (file = new GroupFile(join(this.#groups, name))));
    return file;
  }
}

const partitionId = (topic: string, index: number): string => `${topic}/${index}`;

const startAt = (first: number): Position => ({ first, ahead: [], attempts: [] });

/** Milliseconds on the monotonic clock, which all processes of a machine share. */
const machineNow = (): number => Number(process.hrtime.bigint() / 1_000_000n);

function isAlive({ sessions }: GroupState, member: string): boolean {
  const session = sessions.get(member);
  return session !== undefined && machineNow() - session.aliveAt <= session.leaseMs;
}

/** The name of a group may contain any character. */
function digest(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)!) >>> 0;
  return sum;
}
