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
  /** Only what failed in this consumer group; of `tenant`, where that is given. Default: whatever failed. */
  readonly group?: string | undefined;
  /** Only dead letters of this tenant. Default: of all, and those that have none. */
  readonly tenant?: string | undefined;
  /** How many to publish back at most. Default: no limit. */
  readonly limit?: number | undefined;
  /** Return false to leave a dead letter for another time. */
  readonly filter?: ((event: Event, origin: DeadLetter) => boolean) | undefined;
  /** Where the dead letters are. Default `_dead.<topic>`. */
  readonly deadLetter?: string | undefined;
  /** How long no dead letter may come before the end is taken as reached, in milliseconds. Default 1000. */
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
   * Past the middleware: dead letters went through it when they were published first.
   *
   * @param engine - By its name. Default: the one that the rules say.
   */
  publish(event: PublishedEvent, engine?: string): Promise<void>;
  /** On one engine only. */
  subscribe(
    engine: string,
    topic: string,
    handler: EventHandler<never>,
    options: SubscribeOptions,
  ): Promise<Subscription>;
}

export interface RedriveResult {
  /** Events published back to their topic. */
  readonly redriven: number;
  /** Dead letters left for another time: filtered out, of another group, or failed again meanwhile. */
  readonly kept: number;
  /** The dead-letter topic, if there is nothing on it and nothing was kept: perhaps the topic is misspelt. */
  readonly notFound?: string | undefined;
}

/**
 * Publishes a topic's dead letters back to it. Only the group that failed handles them again; those that failed in
 * subscriptions without a group go to all subscriptions without a group. Each dead letter is redriven once, however often this is called
 * and in whichever process: a consumer group of the bus's own remembers the place. A dead letter that is kept stays in the dead-letter
 * topic; for the next redrive a copy of it is in the topic `_kept.<dead-letter topic>`. A process that dies between the publish and its
 * acknowledgement may redrive that one dead letter twice.
 *
 * Rejects with the first error of a publish or of `filter`. The dead letter that failed, and those behind it, stay for the next
 * redrive; those before it are redriven.
 *
 * @throws {@link InvalidTopicError}, {@link InvalidOptionError}
 * @throws {@link UnsupportedCapabilityError} on an engine without `groups` and `replay`, and on one that other processes share but whose
 *   groups forget their place with the process, such as Kinesis without a shared `checkpointStore`: it would redrive the same again.
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
  // One after the other: each engine has an end of its own, and a limit is for all of them.
  for (const name of names) {
    if (total.redriven >= limit || isAborted()) break;
    const own = { ...options, limit: limit - total.redriven };
    const run = new RedriveRun(bus, name, topic, deadLetter, own);
    // What this run keeps itself comes behind the mark.
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

/** Takes the dead letters on a topic of one engine, until it has seen its own mark, or nothing for a while. */
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
      // Given back only when the subscription is on its way out, which would otherwise get it again at once.
      if (end.isReached) await leaving.then(giveBack);
      end.postpone();
      try {
        if ((await run.take(event)) === 'end' || run.isFull) end.reach();
      } catch (error) {
        // Another attempt of a few would not be enough for a broker that is down, and what is left out once is never redriven.
        failure ??= { error };
        end.reach();
        await leaving.then(giveBack);
      }
    });
    // Not before: to join a group may take longer than it takes to find that nothing is left.
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

/** True if a topic of an engine has at least one event. */
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

/** Where a copy of a kept dead letter has what the copy itself cannot have. */
const keptKey = 'polybus.kept';

interface KeptNote {
  /** The dead letter's own; null if it has none. */
  readonly key: string | null;
  /** True for no dead letter at all, but the end of what was kept before some run. */
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
  /** Events by their id and the group that failed: of one event each group has a dead letter of its own. */
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

  /** In the group that remembers what was redriven. */
  subscribe(topic: string, handler: EventHandler<never>): Promise<Subscription> {
    const group = `_redrive.${this.deadLetter.slice(0, 180)}`;
    return this.#bus.subscribe(this.engineName, topic, handler, {
      group,
      from: 'earliest',
      deadLetter: false,
    });
  }

  /** Marks the end of what earlier runs have kept. */
  mark(): Promise<void> {
    return this.#keep(this.#mark, undefined, {}, undefined, new Date());
  }

  /** @returns `end` for the mark of this run. */
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

  /** On this engine, whatever the rules say now, and all under one key, so that they keep their order. */
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
    // It failed again since this run published it back: once a run is enough.
    if (this.#redrivenFor.has(eventFor(event, origin))) return false;
    if (tenant !== undefined && tenantOf(event) !== tenant) return false;
    if (this.#group !== undefined && origin.group !== this.#group) return false;
    return filter === undefined || filter(event, origin);
  }
}

/** True for a dead letter that has its whole event; that of a record which is no event has none. */
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
