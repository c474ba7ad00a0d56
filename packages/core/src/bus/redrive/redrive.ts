import { type OptionNames, assertOptionNames, signalName } from '../../engine/call-options.ts';
import {
  type DeadLetter,
  deadLetterKey,
  deadLetterOf,
  deadLetterTopic,
  keptTopic,
} from '../../dead-letters/dead-letter.ts';
import { requireCapability } from '../../contract/capabilities.ts';
import { ReleaseError } from '../../dispatch/release-error.ts';
import { InvalidOptionError } from '../../errors/errors.ts';
import { type Event, PublishedEvent } from '../../contract/event.ts';
import { newEventId } from '../../contract/event-id.ts';
import { EndOfWork } from './end-of-work.ts';
import { groupFor, tenantOf } from '../../contract/tenant.ts';
import { type RedriveTarget, redriveKey } from '../../dead-letters/redrive-target.ts';
import type { EventHandler, SubscribeOptions, Subscription } from '../../contract/bus.ts';
import type { Router } from '../../routing/router.ts';
import { assertGroup, assertSignal, timerMs } from '../../engine/subscribe-options.ts';
import { assertTopic } from '../../contract/topics.ts';

export interface RedriveOptions {
  /** Redrives only dead letters of this consumer group, which belongs to `tenant` if that is set. Default: all. */
  readonly group?: string | undefined;
  /** Redrives only dead letters of this tenant. Default: all, including those without a tenant. */
  readonly tenant?: string | undefined;
  /** The maximum number of dead letters to publish back. Default: no limit. */
  readonly limit?: number | undefined;
  /** Return false to keep a dead letter for a later redrive. */
  readonly filter?: ((event: Event, origin: DeadLetter) => boolean) | undefined;
  /** The dead-letter topic. Default `_dead.<topic>`. */
  readonly deadLetter?: string | undefined;
  /** The redrive ends after this time without a dead letter, in milliseconds. Default 1000. */
  readonly idleMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const optionNames = {
  ...signalName,
  group: true,
  tenant: true,
  limit: true,
  filter: true,
  deadLetter: true,
  idleMs: true,
} satisfies OptionNames<RedriveOptions>;

/** What a redrive needs of its bus. */
export interface RedriveBus {
  readonly router: Router;
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

export interface RedriveResult {
  /** The number of events published back to their topic. */
  readonly redriven: number;
  /** The number of dead letters kept for a later redrive: rejected by the filter, of another group, or failed again meanwhile. */
  readonly kept: number;
  /** The dead-letter topic, if it has no dead letters and none were kept. The topic may be misspelt. */
  readonly notFound?: string | undefined;
}

/**
 * Publishes the dead letters of a topic back to it. Only the group that failed handles them again. A dead letter of a subscription
 * without a group goes to all subscriptions without a group.
 *
 * Each dead letter is redriven once, whichever process calls this and however often, because a consumer group of the bus keeps the
 * position. A kept dead letter stays in the dead-letter topic, and a copy for the next redrive goes to `_kept.<dead-letter topic>`. If
 * the process ends between publishing and acknowledging a dead letter, that dead letter may be redriven twice.
 *
 * Rejects with the first error of a publish or of `filter`. The dead letters before it are redriven; it and those behind it stay for
 * the next redrive.
 *
 * @throws {@link InvalidTopicError} or {@link InvalidOptionError} if an argument is invalid.
 * @throws {@link UnsupportedCapabilityError} if an engine lacks `groups` or `replay`, or if it is `crossProcess` and not durable, such as
 *   Kinesis without a shared `checkpointStore`: its groups lose their position with the process, and dead letters would be redriven
 *   twice.
 */
export async function redrive(
  bus: RedriveBus,
  topic: string,
  options: RedriveOptions = {},
): Promise<RedriveResult> {
  assertTopic(topic);
  assertOptionNames('redrive', options, optionNames);
  const {
    limit = Number.POSITIVE_INFINITY,
    idleMs = 1000,
    deadLetter = deadLetterTopic(topic),
    signal,
  } = options;
  if (limit !== Number.POSITIVE_INFINITY && !(Number.isInteger(limit) && limit >= 1))
    throw new InvalidOptionError('limit', limit, 'a whole number of at least 1');
  timerMs('idleMs', idleMs);
  if (options.group !== undefined) assertGroup(options.group);
  assertTopic(deadLetter);
  if (options.filter !== undefined && typeof options.filter !== 'function')
    throw new InvalidOptionError('filter', options.filter, 'a function that returns a boolean');
  assertSignal(signal);
  const { router } = bus;
  const names = router.enginesFor(deadLetter, options.tenant);
  for (const name of names) {
    const { capabilities } = router.engine(name);
    requireCapability(capabilities, 'groups', 'redrive', name);
    requireCapability(capabilities, 'replay', 'redrive', name);
    if (capabilities.crossProcess) requireCapability(capabilities, 'durable', 'redrive', name);
  }
  signal?.throwIfAborted();
  const isAborted = (): boolean => signal?.aborted === true;
  const total = { redriven: 0, kept: 0 };
  // One engine after the other: each has its own end, and the limit applies to all of them together.
  for (const name of names) {
    if (total.redriven >= limit || isAborted()) break;
    const own = { ...options, limit: limit - total.redriven };
    const run = new RedriveRun(bus, name, topic, deadLetter, own);
    // Dead letters that this run keeps come after the mark.
    await run.mark();
    await redriveFrom(run, run.keptTopic, idleMs, signal);
    if (!run.isFull && !isAborted()) await redriveFrom(run, deadLetter, idleMs, signal);
    total.redriven += run.redriven;
    total.kept += run.kept;
  }
  if (total.redriven + total.kept > 0 || isAborted()) return total;
  for (const name of names) if (await isAnythingOn(bus, name, deadLetter, idleMs, signal)) return total;
  return { ...total, notFound: deadLetter };
}

/** Redrives the dead letters of a topic on one engine, until it reads its own mark or the idle time has passed. */
async function redriveFrom(
  run: RedriveRun,
  topic: string,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = new EndOfWork(idleMs, signal);
  let leave!: () => void;
  const leaving = new Promise<void>((resolve) => (leave = resolve));
  let failure: { readonly error: unknown } | undefined;
  try {
    const subscription = await run.subscribe(topic, async (event: Event) => {
      // Released only once the subscription is being cancelled, or it would get the event again at once.
      if (end.isReached) await leaving.then(giveBack);
      end.postpone();
      try {
        if ((await run.take(event)) === 'end' || run.isFull) end.reach();
      } catch (error) {
        // No retries here: a few attempts would not outlast a broker outage, and a skipped dead letter would never be redriven.
        failure ??= { error };
        end.reach();
        await leaving.then(giveBack);
      }
    });
    // Not earlier, because joining a group may take longer than the idle time.
    end.begin();
    await end.reached;
    const cancelled = subscription.cancel();
    leave();
    await cancelled;
  } finally {
    leave();
    end.close();
  }
  if (failure !== undefined) throw failure.error;
}

/** Resolves with true if a topic of an engine has at least one event. */
async function isAnythingOn(
  bus: RedriveBus,
  engine: string,
  topic: string,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const end = new EndOfWork(idleMs, signal);
  let count = 0;
  const see = (): void => {
    count++;
    end.reach();
  };
  const subscription = await bus.subscribe(engine, topic, see, { from: 'earliest', deadLetter: false });
  end.begin();
  await end.reached;
  end.close();
  await subscription.cancel();
  return count > 0;
}

function giveBack(): never {
  throw new ReleaseError();
}

/** The metadata field of a kept copy that has the original key, and marks the end of a run. */
const keptKey = 'polybus.kept';

interface KeptNote {
  /** The key of the dead letter; null if it has none. */
  readonly key: string | null;
  /** True for an event that is not a dead letter but the mark of a run: earlier runs kept the events before it. */
  readonly isMark: boolean;
}

class RedriveRun {
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
    return this.#keep(this.#mark, undefined, {}, undefined, new Date());
  }

  /** Redrives or keeps one dead letter. Returns `end` for the mark of this run. */
  async take(given: Event): Promise<'end' | undefined> {
    const kept = given.metadata[keptKey] as KeptNote | undefined;
    if (kept?.isMark === true) return given.id === this.#mark ? 'end' : undefined;
    const { [keptKey]: _, ...metadata } = given.metadata;
    const { id, payload, createdAt } = given;
    const key = kept === undefined ? given.key : (kept.key ?? undefined);
    const event = new PublishedEvent(id, given.topic, payload, metadata, key, createdAt);
    const origin = deadLetterOf(event);
    if (origin !== undefined && this.#isWanted(event, origin)) {
      await this.#bus.publish(publishedBack(event, origin));
      this.#redrivenFor.add(eventFor(event, origin));
      this.redriven++;
    } else {
      await this.#keep(id, payload, metadata, key, createdAt);
      this.kept++;
    }
    return undefined;
  }

  /** Publishes to this engine, whatever the current routing rules, and under one key, which keeps the order. */
  #keep(
    id: string,
    payload: unknown,
    metadata: Event['metadata'],
    key: string | undefined,
    createdAt: Date,
  ): Promise<void> {
    const note: KeptNote = { key: key ?? null, isMark: id === this.#mark };
    const copy = new PublishedEvent(
      id,
      this.keptTopic,
      payload,
      { ...metadata, [keptKey]: note },
      keptKey,
      createdAt,
    );
    return this.#bus.publish(copy, this.engineName);
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
