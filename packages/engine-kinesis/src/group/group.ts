import { randomUUID } from 'node:crypto';
import type { ListenRequest, Listener, Receiver } from '@polybus/core/engine';
import { EventBusNotStartedError } from '@polybus/core';
import { patternCovers } from '@polybus/core/engine';
import { messageOf } from '../errors.ts';
import { GroupDispatcher, type GroupMember } from './dispatcher.ts';
import {
  type GroupDocument,
  type Place,
  bury,
  coveringPattern,
  doneOf,
  endPlace,
  giveTo,
  maxAheadIn,
  plan,
} from './document.ts';
import { GroupDocuments } from './documents.ts';
import { GroupPlace, type PlaceListener } from './place.ts';
import { firstPlaces, splitPlaces } from './start.ts';
import { LiveMembers } from './live-members.ts';
import { named } from '../options/named.ts';
import { Pause } from '../pause.ts';
import type { ShardReaders } from '../read/shard-readers.ts';

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
  /** When the last renewal of the leases that was made was sent, on our clock: they last from then on. */
  #renewedAt: number = performance.now();
  #changing: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;
  #isEnding = false;
  /** Subscriptions that are being made. */
  #joining = 0;
  #failures = 0;
  /** Patterns that are being added, whose events may have belonged to another. */
  #splitting = 0;
  /** It grows for as long as we live: others that have taken us for dead see that we are back. */
  #beat = 0;
  #lastError: unknown;

  constructor(name: string, stream: string, readers: ShardReaders, onEnd: (group: Group) => void) {
    const { store, streamName, leaseDurationMs } = readers.options;
    this.name = name;
    this.#readers = readers;
    this.#documents = new GroupDocuments(store, {
      name: `${streamName}/${name}`,
      stream,
      // So that there is time for another try before the leases run out.
      timeoutMs: leaseDurationMs / 2,
      onForgotten: () => this.#forgotten(),
    });
    this.#live = new LiveMembers(leaseDurationMs);
    this.#dispatcher = new GroupDispatcher(
      () => this.#onDispatched(),
      () => this.#isSure,
    );
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
    return this.#splitting === 0 && this.#isSure;
  }

  /** Nobody can have taken our leases: also after this process has slept, before any of its timers is late. */
  get #isSure(): boolean {
    return this.#silentMs < this.#readers.options.leaseDurationMs;
  }

  get #silentMs(): number {
    return performance.now() - this.#renewedAt;
  }

  /** Why nothing is handled here; undefined where all is well. */
  get trouble(): string | undefined {
    if (this.#isSure) return undefined;
    const reason = this.#lastError === undefined ? '' : `: ${messageOf(this.#lastError)}`;
    return `the group "${this.name}" has not renewed its leases for ${Math.round(this.#silentMs)} ms${reason}`;
  }

  /** Resolves when the group has its place in every shard: from there on it misses nothing. */
  async join(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const member: GroupMember = { pattern: request.pattern, receiver, isLeaving: false };
    this.#joining++;
    try {
      await this.#begin(request);
      if (this.#isEnding)
        throw new EventBusNotStartedError('subscribe', 'stopping', { topic: request.pattern });
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
    const document = await this.#look();
    if (document.places[pattern] !== undefined) return;
    const isCovered = coveringPattern(document, pattern) !== undefined;
    const first = isCovered ? undefined : await firstPlaces(request, this.#readers);
    this.#splitting++;
    try {
      await this.#change((latest) => {
        latest.places[pattern] ??= this.#split(latest, pattern) ?? first ?? changedTooOften();
      });
    } finally {
      this.#splitting--;
    }
  }

  /** The places of a pattern that the group has served through a wider one so far; that one may just have come. */
  #split(latest: GroupDocument, pattern: string): Record<string, Place> | undefined {
    const wider = coveringPattern(latest, pattern);
    if (wider === undefined) return undefined;
    return splitPlaces(
      latest.places[wider] ?? {},
      (shardId) => this.#places.get(nameOf(wider, shardId))?.taken,
    );
  }

  #leave(member: GroupMember): void {
    this.#dispatcher.leave(member);
    this.#endWhenIdle();
    this.#pause.wake();
  }

  /** One at a time: what one write says of our places is what they are then. */
  #queue<T>(work: () => Promise<T>): Promise<T> {
    const working = this.#changing.then(work);
    this.#changing = working.then(
      () => {},
      () => {},
    );
    return working;
  }

  #look(): Promise<GroupDocument> {
    return this.#queue(() => this.#documents.read());
  }

  async #change(change: (document: GroupDocument) => void): Promise<void> {
    // Nothing is written after the farewell, which would bring back a member that is gone.
    if (this.#isEnding) throw new EventBusNotStartedError('change the group', 'stopping');
    await this.#queue(() => this.#changeNow(change));
  }

  async #changeNow(change: (document: GroupDocument) => void): Promise<void> {
    const startedAt = performance.now();
    let isRestored = false;
    const document = await this.#documents.change((latest) => {
      const me = (latest.members[this.#id] ??= { beat: 0, patterns: [] });
      me.beat = ++this.#beat;
      me.patterns = [...new Set([...this.#dispatcher.members].map(({ pattern }) => pattern))];
      const maxAhead = maxAheadIn(latest);
      for (const place of this.#places.values()) {
        isRestored = this.#restore(latest, place) || isRestored;
        const stored = this.#own(latest, place);
        if (stored !== undefined) place.write(stored, maxAhead);
      }
      change(latest);
    });
    if (isRestored) this.#forgotten();
    // What was lost is taken back before anything may begin.
    this.#apply(document);
    this.#renewedAt = startedAt;
    this.#dispatcher.wake();
  }

  /** Puts a place of ours back where the document has none of its shard: somebody wrote it from an older one. */
  #restore(document: GroupDocument, place: GroupPlace): boolean {
    const places = (document.places[place.pattern] ??= named());
    if (places[place.shardId] !== undefined) return false;
    places[place.shardId] = place.restored(this.#id);
    return true;
  }

  #forgotten(): void {
    this.#readers.logger.warn(
      'the checkpoint store has forgotten positions of a group, which are written again as they were seen last; events may be handled ' +
        'twice. Use a store that keeps what it is given',
      { group: this.name },
    );
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
    this.#lastError = error;
    const about = { group: this.name, error: messageOf(error) };
    if (this.#failures++ === 0) this.#readers.logger.warn('a group could not write its checkpoint', about);
    else this.#readers.logger.debug?.('a group could not write its checkpoint', about);
  }

  /** Renews our leases, writes our checkpoints, and takes what is due to us. */
  async #sync(): Promise<void> {
    await this.#change((document) => this.#update(document));
    this.#failures = 0;
    this.#lastError = undefined;
    for (const place of this.#places.values()) this.#readers.wake(place.shardId);
  }

  #update(document: GroupDocument): void {
    bury(document, (id, member) => id !== this.#id && this.#live.isDead(id, member));
    for (const place of this.#places.values()) {
      const stored = this.#own(document, place);
      if (stored === undefined) continue;
      if (place.isFinished) endPlace(document, place.pattern, place.shardId, place.successors!);
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

  async lost(lost: GroupPlace): Promise<void> {
    try {
      await this.#findAfter(lost);
    } catch (error) {
      if (!this.#isEnding) this.#failed(error);
    }
  }

  /** The records of a shard are too old by now: goes on with whatever the stream has and the group does not know. */
  async #findAfter(lost: GroupPlace): Promise<void> {
    const done = doneOf((await this.#look()).places[lost.pattern]);
    const listed = await this.#readers.listed(() => !lost.isLost);
    // It was only hidden for a moment, or that was a bad answer: its reader goes on asking.
    if (listed === undefined || listed.has(lost.shardId)) return;
    await this.#change((document) => {
      if (this.#own(document, lost) === undefined) return;
      endPlace(document, lost.pattern, lost.shardId, { next: [...listed.values()], listed, done });
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
      const farewell = (document: GroupDocument): void => {
        for (const place of this.#places.values()) {
          const stored = this.#own(document, place);
          if (stored === undefined) continue;
          if (place.isFinished) endPlace(document, place.pattern, place.shardId, place.successors!);
          else giveTo(stored, stored.wanted);
        }
        delete document.members[this.#id];
      };
      await this.#queue(() => this.#changeNow(farewell));
    } catch (error) {
      // Others find that it is silent, and take over.
      this.#failed(error);
    }
    for (const place of this.#places.values()) place.end();
    this.#places.clear();
  }
}

function changedTooOften(): never {
  throw new Error('the document of the group was changed while a subscription was made; subscribe again');
}
