import { matchesTopic } from '@polybus/core/engine';
import { Cursor, type CursorOwner, type Position } from '../read/cursor.ts';
import type { GroupDispatcher } from './dispatcher.ts';
import type { GroupDocument, Place, Successors } from './document.ts';
import { doneOf, narrowerPatterns } from './document.ts';
import { type Decoded, type ShardRecord, compareSequence } from '../read/record.ts';
import type { GroupShare } from './share.ts';
import { type OpenRecord, SettledPrefix, doneIn, sequenceNumberIn } from './settled-prefix.ts';
import type { ShardReaders } from '../read/shard-readers.ts';
import type { ShardInfo } from '../client/stream.ts';

/** What a place tells its group. */
export interface PlaceListener {
  /** It may be time to write: it is drained, or at the end of its shard. */
  changed(): void;
  lost(place: GroupPlace): Promise<void>;
  /** Records may be taken in: the leases are sure, and nothing that tells whose they are is being changed. */
  readonly isOpen: boolean;
}

/** A lease that this process holds: it reads one shard for one pattern of a group. */
export class GroupPlace implements CursorOwner {
  readonly pattern: string;
  readonly shardId: string;
  readonly token: number;
  /** The events of its pattern. */
  readonly share: GroupShare;
  /** Events that members have and that are not settled. */
  delivered = 0;
  /** What comes after the shard, once its end is reached. */
  successors: Successors | undefined;
  /** When it began to be handed over, on our clock. */
  drainingSince: number | undefined;
  readonly #readers: ShardReaders;
  readonly #dispatcher: GroupDispatcher;
  readonly #listener: PlaceListener;
  readonly #prefix = new SettledPrefix();
  readonly #begin: Position;
  readonly #origin: Place;
  /** What was settled of records before they came to us: the notes, by record. */
  readonly #ahead: Map<string, string>;
  readonly #cursor: Cursor;
  /** The last record that was taken in; undefined while there was none. */
  #taken: string | undefined;
  /** Patterns whose events are not ours, and up to which record they still are. */
  #narrower: readonly { readonly pattern: string; readonly after: string | undefined }[] = [];
  /** The places of the pattern, as they were seen last. */
  #known: Readonly<Record<string, Place>> | undefined;
  #isLost = false;
  /** Asked for before this, on our clock, it is not given: a handler hangs. */
  #keptUntil = 0;

  constructor(
    [pattern, shardId]: readonly [string, string],
    place: Place,
    readers: ShardReaders,
    dispatcher: GroupDispatcher,
    listener: PlaceListener,
  ) {
    this.pattern = pattern;
    this.shardId = shardId;
    this.token = place.token;
    this.share = dispatcher.shareOf(pattern);
    this.#origin = place;
    this.#readers = readers;
    this.#dispatcher = dispatcher;
    this.#listener = listener;
    this.#begin = place.at;
    this.#ahead = new Map(place.ahead?.map((note) => [sequenceNumberIn(note), note]));
    this.#taken = place.at.sequenceNumber;
    this.#cursor = new Cursor(this, place.at, place.notBefore);
  }

  get cursor(): Cursor {
    return this.#cursor;
  }

  /** It is gone. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Nothing of it is handed over to members now. */
  get isHeld(): boolean {
    return this.#isLost || this.drainingSince !== undefined;
  }

  /** It was to be given away, and no member has anything of it any more. */
  get isDrained(): boolean {
    return this.drainingSince !== undefined && this.delivered === 0;
  }

  /** The shard is closed, and everything of it is settled. */
  get isFinished(): boolean {
    return this.successors !== undefined && this.#prefix.isEmpty;
  }

  /** Why there is more to read; undefined where there is not. */
  get behind(): string | undefined {
    return this.successors === undefined ? this.#cursor.behind : undefined;
  }

  /** The last record that was taken in. */
  get taken(): string | undefined {
    return this.#taken;
  }

  start(): void {
    this.#readers.add(this.shardId, this.#cursor);
  }

  /** Where somebody would go on: behind the contiguous settled prefix. */
  write(place: Place, maxAhead: number): void {
    const { sequenceNumber, ahead } = this.#prefix;
    const isUnread = this.#taken === undefined && this.#cursor.sequenceNumber === undefined;
    if (sequenceNumber !== undefined) place.at = { sequenceNumber };
    // While there was no record, the newest iterator stands for the place.
    else place.at = isUnread ? this.#cursor.position : this.#begin;
    const all = fitting([...this.#ahead.values(), ...ahead], maxAhead);
    if (all.length > 0) place.ahead = all;
    else delete place.ahead;
  }

  /** Itself, for a document that has lost it: where it is by now is still to be written. */
  restored(owner: string): Place {
    const { wanted: _, ...kept } = this.#origin;
    return { ...kept, owner, token: this.token };
  }

  /** Learns who else there is in the group. */
  learn(document: GroupDocument): void {
    this.#known = document.places[this.pattern];
    this.#narrower = narrowerPatterns(document, this.pattern).map((pattern) => ({
      pattern,
      after: document.places[pattern]?.[this.shardId]?.after,
    }));
  }

  get hasRoom(): boolean {
    return !this.isHeld && this.#listener.isOpen && this.share.hasRoom && this.#dispatcher.hasMembers;
  }

  take(record: ShardRecord): boolean {
    const { sequenceNumber } = record;
    this.#taken = sequenceNumber;
    // Settled before it came to us. It is noted again: it may lie ahead of our own prefix too.
    const note = this.#ahead.get(sequenceNumber);
    if (note !== undefined) this.#ahead.delete(sequenceNumber);
    const contents = note === sequenceNumber ? [] : record.contents;
    const done = contents.length > 1 ? doneIn(note, contents.length) : undefined;
    const mine: number[] = [];
    contents.forEach((one, index) => {
      if (done?.[index] !== 1 && this.#isMine(one, sequenceNumber)) mine.push(index);
    });
    const isWanted = note !== undefined || mine.length > 0;
    const open = this.#prefix.begin(sequenceNumber, mine.length, isWanted, done);
    for (const index of mine) this.#dispatcher.offer(contents[index]!, this, open, index);
    return true;
  }

  #isMine({ event, raw }: Decoded, sequenceNumber: string): boolean {
    const topic = event?.topic ?? raw?.topic ?? '';
    if (!matchesTopic(this.pattern, topic)) return false;
    return this.#narrower.every(
      ({ pattern, after }) =>
        !matchesTopic(pattern, topic) || (after !== undefined && compareSequence(sequenceNumber, after) <= 0),
    );
  }

  flush(): void {
    this.#dispatcher.run();
  }

  settled(record: OpenRecord, index: number): void {
    this.#prefix.settled(record, index);
    if (this.isFinished) this.#listener.changed();
  }

  /** A member has settled an event, or given it back. */
  returned(): void {
    this.delivered--;
    if (this.isDrained) this.#listener.changed();
  }

  ended(children: readonly ShardInfo[]): void {
    void this.#findSuccessors(children);
  }

  async #findSuccessors(next: readonly ShardInfo[]): Promise<void> {
    // Asked for now that the children are there: it has all that came before them.
    const done = doneOf(this.#known);
    const listed = await this.#readers.listed(() => !this.#isLost);
    if (listed === undefined) return;
    this.successors = { next, listed, done };
    if (this.isFinished) this.#listener.changed();
  }

  lost(): Promise<void> {
    return this.#listener.lost(this);
  }

  /** Hands over no more, so that it can be given away once members have settled what they have. */
  drain(): void {
    if (this.drainingSince !== undefined) return;
    this.drainingSince = performance.now();
    this.#dispatcher.withdraw(this);
  }

  /** Goes on after all: a handler hangs, and would keep all else in the shard from being handled by anybody. */
  keep(forMs: number): void {
    this.drainingSince = undefined;
    this.#keptUntil = performance.now() + forMs;
  }

  /** It is not given away now, although it is asked for. */
  get isKept(): boolean {
    return performance.now() < this.#keptUntil;
  }

  /** The lease is not ours any more: nothing of it is read, handed over or written from here on. */
  end(): void {
    this.#isLost = true;
    this.#readers.remove(this.shardId, this.#cursor);
    this.#dispatcher.forget(this);
    this.#dispatcher.withdraw(this);
  }
}

/** The room of one record in a document, in bytes. */
const noteBytes = 60;

/** As many notes as have the room of so many whole records. */
function fitting(notes: readonly string[], maxAhead: number): string[] {
  let room = maxAhead;
  return notes.filter(({ length }) => (room -= Math.ceil((length + 3) / noteBytes)) >= 0);
}
