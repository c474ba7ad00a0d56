import type { EventHandler, SubscribeOptions, Subscription } from '../../contract/bus.ts';
import { newEventId } from '../../contract/event-id.ts';
import { type Event, PublishedEvent } from '../../contract/event.ts';
import type { Logger } from '../../contract/observing.ts';
import { groupFor, tenantOf } from '../../contract/tenant.ts';
import { publishFitting } from '../../dead-letters/cut-dead-letter.ts';
import { type DeadLetter, deadLetterKey, deadLetterOf, keptTopic } from '../../dead-letters/dead-letter.ts';
import { type RedriveTarget, redriveKey } from '../../dead-letters/redrive-target.ts';
import { PolybusError } from '../../errors/polybus-error.ts';
import type { Router } from '../../routing/router.ts';

export interface RedriveOptions {
  /** Redrives only dead letters of this consumer group, which belongs to `tenant` if that is set. Default: all. */
  readonly group?: string | undefined;
  /** Redrives only dead letters of this tenant. Default: all, including those without a tenant. */
  readonly tenant?: string | undefined;
  /** The maximum number of dead letters to publish back. Default: no limit. */
  readonly limit?: number | undefined;
  /** Returns false to keep a dead letter for a later redrive. Default: redrives all. */
  readonly filter?: ((event: Event, origin: DeadLetter) => boolean) | undefined;
  /** The dead-letter topic. Default `_dead.<topic>`. */
  readonly deadLetter?: string | undefined;
  /** The redrive ends after this time without a dead letter, in milliseconds. Default 1000. */
  readonly idleMs?: number | undefined;
  /** Ends the redrive when it aborts. Dead letters that it has not reached stay for the next redrive. */
  readonly signal?: AbortSignal | undefined;
}

/** The parts of a bus that a redrive uses. */
export interface RedriveBus {
  readonly router: Router;
  readonly logger: Logger;
  /**
   * Publishes an event without middleware, which the dead letter passed when it was first published.
   *
   * @param engine - The name of the engine. Default: the engine that the routing rules select.
   */
  publish(event: PublishedEvent, engine?: string): Promise<void>;
  /** Subscribes on one engine. */
  subscribe(
    engine: string,
    topic: string,
    handler: EventHandler<never>,
    options: SubscribeOptions,
  ): Promise<Subscription>;
}

/** The metadata field of a kept copy that has the original key, and marks the end of a run. */
const keptKey = 'polybus.kept';

interface KeptNote {
  /** The key of the dead letter; null if it has none. */
  readonly key: string | null;
  /** True for an event that is not a dead letter but the mark of a run: earlier runs kept the events before it. */
  readonly isMark: boolean;
}

export class RedriveRun {
  redriven = 0;
  kept = 0;
  readonly engineName: string;
  readonly deadLetter: string;
  readonly #bus: RedriveBus;
  readonly #topic: string;
  readonly #group: string | undefined;
  readonly #options: RedriveOptions;
  /** Redriven events by id and failed group, because each group has its own dead letter of an event. */
  readonly #redrivenFor = new Set<string>();
  readonly #mark = newEventId();

  constructor(
    bus: RedriveBus,
    engineName: string,
    topic: string,
    deadLetter: string,
    options: RedriveOptions,
  ) {
    this.#bus = bus;
    this.engineName = engineName;
    this.#topic = topic;
    this.deadLetter = deadLetter;
    this.#options = options;
    this.#group = groupFor(options.group, options.tenant);
  }

  get isFull(): boolean {
    return this.redriven >= (this.#options.limit ?? Number.POSITIVE_INFINITY);
  }

  get keptTopic(): string {
    return keptTopic(this.deadLetter);
  }

  /** Subscribes in the group that keeps the position of redrives. */
  subscribe(topic: string, handler: EventHandler<never>): Promise<Subscription> {
    const group = `_redrive.${this.deadLetter.slice(0, 180)}`;
    return this.#bus.subscribe(this.engineName, topic, handler, {
      group,
      from: 'earliest',
      deadLetter: false,
    });
  }

  /** Writes the mark behind the dead letters that earlier runs kept. */
  mark(): Promise<void> {
    return this.#keep(new PublishedEvent(this.#mark, this.keptTopic, undefined, {}, undefined, new Date()));
  }

  /** Redrives or keeps one dead letter. Returns `end` for the mark of this run. */
  async take(given: Event): Promise<'end' | undefined> {
    const { [keptKey]: value, ...metadata } = given.metadata;
    const note = noteOf(value);
    if (note?.isMark === true) return given.id === this.#mark ? 'end' : undefined;
    const { id, topic, payload, createdAt } = given;
    const key = note === undefined ? given.key : (note.key ?? undefined);
    const event = new PublishedEvent(id, topic, payload, metadata, key, createdAt);
    const origin = deadLetterOf(event);
    if (origin !== undefined && this.#isWanted(event, origin)) {
      await this.#bus.publish(publishedBack(event, origin));
      this.#redrivenFor.add(eventFor(event, origin));
      this.redriven++;
    } else if (await this.#isKept(event)) {
      this.kept++;
    }
    return undefined;
  }

  /** Keeps a record. Returns false if it is too large for its broker: it must not hold up the dead letters behind it forever. */
  async #isKept(event: Event): Promise<boolean> {
    try {
      await this.#keep(event);
      return true;
    } catch (error) {
      if (!PolybusError.is(error) || error.code !== 'RECORD_TOO_LARGE') throw error;
      this.#bus.logger.warn(
        'redrive: a record of the dead-letter topic is too large to be copied for the next redrive, which will not see it',
        { engine: this.engineName, topic: this.deadLetter, id: event.id, error },
      );
      return false;
    }
  }

  /**
   * Publishes a copy to this engine, whatever the current routing rules, and under one key, which keeps the order. The copy has
   * one metadata field more than the dead letter, so it can be too large for the broker. It is then cut, at first only in its error.
   */
  async #keep({ id, payload, metadata, key, createdAt }: Event): Promise<void> {
    const note: KeptNote = { key: key ?? null, isMark: id === this.#mark };
    const copy = new PublishedEvent(
      id,
      this.keptTopic,
      payload,
      { ...metadata, [keptKey]: note },
      keptKey,
      createdAt,
    );
    const publish = (fitting: PublishedEvent): Promise<void> => this.#bus.publish(fitting, this.engineName);
    await (deadLetterOf(copy) === undefined ? publish(copy) : publishFitting(copy, publish));
  }

  #isWanted(event: Event, origin: DeadLetter): boolean {
    const { tenant, filter } = this.#options;
    if (origin.sourceTopic !== this.#topic || !isWhole(origin)) return false;
    // It failed again after this run had published it back: a run redrives an event only once.
    if (this.#redrivenFor.has(eventFor(event, origin))) return false;
    if (tenant !== undefined && tenantOf(event) !== tenant) return false;
    if (this.#group !== undefined && origin.group !== this.#group) return false;
    return filter === undefined || filter(event, origin);
  }
}

/** Returns undefined for a record without a note, and for the field of a foreign publisher. */
function noteOf(value: unknown): KeptNote | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { key, isMark } = value as Partial<KeptNote>;
  const isNote = (key === null || typeof key === 'string') && typeof isMark === 'boolean';
  return isNote ? { key, isMark } : undefined;
}

/** Returns true for a dead letter with a complete event, which the dead letter of an undecodable record does not have. */
function isWhole({ headers, cut }: DeadLetter): boolean {
  return headers === undefined && (cut?.fields.every((field) => field.startsWith('error.')) ?? true);
}

function eventFor({ id }: Event, { group }: DeadLetter): string {
  return JSON.stringify([id, group]);
}

function publishedBack(event: Event, origin: DeadLetter): PublishedEvent {
  const { [deadLetterKey]: _, ...metadata } = event.metadata;
  const target: RedriveTarget = { group: origin.group };
  const { id, payload, key, createdAt } = event;
  return new PublishedEvent(
    id,
    origin.sourceTopic,
    payload,
    { ...metadata, [redriveKey]: target },
    key,
    createdAt,
  );
}
