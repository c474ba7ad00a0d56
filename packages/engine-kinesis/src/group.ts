import { randomUUID } from 'node:crypto';
import type { ListenRequest, Listener, Receiver } from '@polybus/core';
import { patternCovers } from '@polybus/core';
import { messageOf } from './errors.ts';
import { GroupDispatcher, type GroupMember } from './group-dispatcher.ts';
import {
  type GroupDocument,
  type Place,
  bury,
  coveringPattern,
  endPlace,
  giveTo,
  plan,
  prune,
} from './group-document.ts';
import { GroupDocuments } from './group-documents.ts';
import { GroupPlace, type PlaceListener } from './group-place.ts';
import { firstPlaces, splitPlaces } from './group-start.ts';
import { LiveMembers } from './live-members.ts';
import { Pause } from './pause.ts';
import type { ShardReaders } from './shard-readers.ts';

/** For how many lease times a shard with a handler that hangs is not given away. */
const keptLeases = 10;

/** A lease, as a name. */
const nameOf = (pattern: string, shardId: string): string => `${pattern} ${shardId}`;

/** This process's share of a consumer group: its members here, and the leases that they hold together. */
export class Group implements PlaceListener {
  readonly name: string;
  readonly #id: string = randomUUID();
  readonly #readers: ShardReaders;
  readonly #documents: GroupDocuments;
  readonly #live: LiveMembers;
  readonly #dispatcher: GroupDispatcher;
  readonly #places = new Map<string, GroupPlace>();
  readonly #pause = new Pause();
  readonly #onEnd: (group: Group) => void;
  /** When the leases were renewed last, on our clock. */
  #renewedAt: number = performance.now();
  #changing: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;
  #isEnding = false;
  /** Subscriptions that are being made. */
  #joining = 0;
  #failures = 0;
  /** A pattern is being added whose events have belonged to another. */
  #isSplitting = false;
  #trustTimer: NodeJS.Timeout | undefined;

  constructor(name: string, stream: string, readers: ShardReaders, onEnd: (group: Group) => void) {
    const { store, streamName, leaseDurationMs } = readers.options;
    this.name = name;
    this.#readers = readers;
    this.#documents = new GroupDocuments(store, `${streamName}/${name}`, stream);
    this.#live = new LiveMembers(leaseDurationMs);
    this.#dispatcher = new GroupDispatcher(() => this.#onDispatched());
    this.#onEnd = onEnd;
  }

  /** It takes no more members. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  get places(): Iterable<GroupPlace> {
    return this.#places.values();
  }

  get isOpen(): boolean {
    return !this.#isSplitting && performance.now() - this.#renewedAt < this.#readers.options.leaseDurationMs;
  }

  /** Resolves when the group has its place in every shard: from there on it misses nothing. */
  async join(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const member: GroupMember = { pattern: request.pattern, receiver, isLeaving: false };
    this.#joining++;
    try {
      await this.#begin(request);
      this.#dispatcher.add(member);
      await this.#sync();
    } catch (error) {
      this.#dispatcher.leave(member);
      throw error;
    } finally {
      this.#joining--;
      this.#endWhenIdle();
    }
    for (const place of this.#places.values()) this.#readers.wake(place.shardId);
    if (!this.#isEnding) this.#running ??= this.#run();
    return { stop: async () => this.#leave(member) };
  }

  /** Sees to it that the group has places for the pattern. */
  async #begin(request: ListenRequest): Promise<void> {
    const { pattern } = request;
    const document = await this.#documents.read();
    if (document.places[pattern] !== undefined) return;
    const covering = coveringPattern(document, pattern);
    if (covering !== undefined) return this.#split(pattern, covering);
    const places = await firstPlaces(request, this.#readers);
    await this.#change((latest) => void (latest.places[pattern] ??= places));
  }

  /** Adds a pattern that the group has served through a wider one so far. */
  async #split(pattern: string, wider: string): Promise<void> {
    this.#isSplitting = true;
    try {
      await this.#change((latest) => {
        latest.places[pattern] ??= splitPlaces(
          latest.places[wider] ?? {},
          (shardId) => this.#places.get(nameOf(wider, shardId))?.taken,
        );
      });
    } finally {
      this.#isSplitting = false;
    }
  }

  #leave(member: GroupMember): void {
    this.#dispatcher.leave(member);
    this.#endWhenIdle();
    this.#pause.wake();
  }

  /** One at a time: what one write says of our places is what they are then. */
  #change(change: (document: GroupDocument) => void): Promise<void> {
    const changing = this.#changing.then(() => this.#changeNow(change));
    this.#changing = changing.catch(() => {});
    return changing;
  }

  async #changeNow(change: (document: GroupDocument) => void): Promise<void> {
    const startedAt = performance.now();
    const document = await this.#documents.change((latest) => {
      const me = (latest.members[this.#id] ??= { beat: 0, patterns: [] });
      me.beat++;
      me.patterns = [...new Set([...this.#dispatcher.members].map(({ pattern }) => pattern))];
      for (const place of this.#places.values()) {
        const stored = this.#own(latest, place);
        if (stored !== undefined) place.write(stored);
      }
      change(latest);
    });
    this.#renewed(startedAt);
    this.#apply(document);
  }

  #renewed(at: number): void {
    this.#renewedAt = at;
    for (const place of this.#places.values()) place.trust();
    // What was withheld while the leases were not sure waits for nothing else.
    this.#dispatcher.wake();
    clearTimeout(this.#trustTimer);
    if (this.#isEnding) return;
    const left = at + this.#readers.options.leaseDurationMs - performance.now();
    this.#trustTimer = setTimeout(() => {
      for (const place of this.#places.values()) place.suspend();
    }, left);
  }

  /** The lease of a place, where we still hold it. */
  #own(document: GroupDocument, place: GroupPlace): Place | undefined {
    const stored = document.places[place.pattern]?.[place.shardId];
    return stored?.owner === this.#id && stored.token === place.token ? stored : undefined;
  }

  /** Makes our places those that the document says we hold. */
  #apply(document: GroupDocument): void {
    for (const [name, place] of this.#places) {
      if (this.#own(document, place) !== undefined) continue;
      this.#places.delete(name);
      place.end();
    }
    for (const [pattern, places] of Object.entries(document.places)) {
      for (const [shardId, stored] of Object.entries(places)) {
        if (stored.owner === this.#id) this.#hold(pattern, shardId, stored, document);
      }
    }
  }

  #hold(pattern: string, shardId: string, stored: Place, document: GroupDocument): void {
    const name = nameOf(pattern, shardId);
    let place = this.#places.get(name);
    if (place === undefined) {
      place = new GroupPlace([pattern, shardId], stored, this.#readers, this.#dispatcher, this);
      this.#places.set(name, place);
      place.learn(document);
      place.start();
      return;
    }
    place.learn(document);
    if ((stored.wanted !== undefined && !place.isKept) || !this.#serves(pattern)) place.drain();
  }

  #serves(pattern: string): boolean {
    for (const member of this.#dispatcher.members) if (patternCovers(member.pattern, pattern)) return true;
    return false;
  }

  async #run(): Promise<void> {
    while (!this.#isEnding) {
      await this.#pause.wait(this.#readers.options.checkpointIntervalMs);
      if (this.#isEnding) return;
      await this.#sync().catch((error: unknown) => this.#failed(error));
    }
  }

  #failed(error: unknown): void {
    const about = { group: this.name, error: messageOf(error) };
    if (this.#failures++ === 0) this.#readers.logger.warn('a group could not write its checkpoint', about);
    else this.#readers.logger.debug?.('a group could not write its checkpoint', about);
  }

  /** Renews our leases, writes our checkpoints, and takes what is due to us. */
  async #sync(): Promise<void> {
    await this.#change((document) => this.#update(document));
    this.#failures = 0;
    for (const place of this.#places.values()) this.#readers.wake(place.shardId);
  }

  #update(document: GroupDocument): void {
    bury(document, (id, member) => id !== this.#id && this.#live.isDead(id, member));
    for (const place of this.#places.values()) {
      const stored = this.#own(document, place);
      if (stored === undefined) continue;
      if (place.isFinished) endPlace(document, place.pattern, place.shardId, place.children!);
      else if (place.isDrained) giveTo(stored, stored.wanted);
      else if (this.#isHung(place)) {
        place.keep(keptLeases * this.#readers.options.leaseDurationMs);
        this.#dispatcher.wake();
      }
      if (place.isKept) delete stored.wanted;
    }
    plan(document, this.#id);
  }

  /** It was to be given away, and a handler has kept it from that for the time of a lease. */
  #isHung({ drainingSince, pattern }: GroupPlace): boolean {
    if (drainingSince === undefined || !this.#serves(pattern)) return false;
    return performance.now() - drainingSince >= this.#readers.options.leaseDurationMs;
  }

  changed(): void {
    this.#pause.wake();
  }

  lost(lost: GroupPlace): void {
    void this.#findAfter(lost).catch((error: unknown) => this.#failed(error));
  }

  /** The records of a shard are too old by now: goes on with whatever the stream has and the group does not know. */
  async #findAfter(lost: GroupPlace): Promise<void> {
    const shards = await this.#readers.shards();
    const listed = new Set(shards.map(({ id }) => id));
    if (listed.has(lost.shardId)) return;
    await this.#change((document) => {
      const places = document.places[lost.pattern];
      if (places === undefined || this.#own(document, lost) === undefined) return;
      const unknown = shards.filter(({ id }) => places[id] === undefined);
      endPlace(document, lost.pattern, lost.shardId, unknown);
      prune(places, listed);
      plan(document, this.#id);
    });
  }

  #onDispatched(): void {
    for (const place of this.#places.values()) this.#readers.wake(place.shardId);
    this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    const { members, outstanding } = this.#dispatcher;
    if (members.size > 0 || outstanding > 0 || this.#joining > 0 || this.#isEnding) return;
    this.#isEnding = true;
    this.#pause.wake();
    this.#onEnd(this);
  }

  /** Gives up every lease, with the last checkpoint. Others need not wait for them to run out. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#pause.wake();
    await this.#running;
    try {
      await this.#change((document) => {
        for (const place of this.#places.values()) {
          const stored = this.#own(document, place);
          if (stored === undefined) continue;
          if (place.isFinished) endPlace(document, place.pattern, place.shardId, place.children!);
          else giveTo(stored, stored.wanted);
        }
        delete document.members[this.#id];
      });
    } catch (error) {
      // Others find that it is silent, and take over.
      this.#failed(error);
    }
    clearTimeout(this.#trustTimer);
    for (const place of this.#places.values()) place.end();
    this.#places.clear();
  }
}
