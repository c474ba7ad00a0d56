import { deadLetterKey, deadLetterOf, deadLetterTopic, type DeadLetter } from './dead-letter.ts';
import { requireCapability } from './capabilities.ts';
import { GiveBack } from './dispatch/give-back.ts';
import { onAbort } from './engine-kit/on-abort.ts';
import { InvalidOptionError } from './errors.ts';
import { type Event, PublishedEvent } from './event.ts';
import { groupFor, tenantOf } from './tenant.ts';
import { type RedriveTarget, redriveKey } from './redrive-target.ts';
import type { EventHandler, SubscribeOptions, Subscription } from './contract.ts';
import type { Router } from './router.ts';
import { assertTopic } from './topics.ts';

export interface RedriveOptions {
  /** Only what failed in this consumer group; of `tenant`, where that is given. Default: whatever failed. */
  readonly group?: string | undefined;
  /** Only dead letters of this tenant. Default: of all, and those that have none. */
  readonly tenant?: string | undefined;
  /** How many to publish back at most. Default: no limit. */
  readonly limit?: number | undefined;
  /** Return false to leave a dead letter where it is. */
  readonly filter?: ((event: Event, origin: DeadLetter) => boolean) | undefined;
  /** Where the dead letters are. Default `_dead.<topic>`. */
  readonly deadLetter?: string | undefined;
  /** How long no dead letter may come before the end is taken as reached, in milliseconds. Default 1000. */
  readonly idleMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

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
  /** Dead letters left where they are: filtered out, of another group, or failed again meanwhile. */
  readonly kept: number;
}

/**
 * Publishes a topic's dead letters back to it. Only the group that failed handles them again; those that failed in
 * subscriptions without a group go to all subscriptions without a group. Each dead letter is redriven once, however often
 * this is called: a consumer group of the bus's own remembers the place. A dead letter that is kept is written to the
 * dead-letter topic again, behind the others.
 *
 * @throws {@link InvalidTopicError}, {@link InvalidOptionError}
 * @throws {@link UnsupportedCapabilityError} on an engine without `groups` and `replay`.
 */
export async function redrive(
  bus: RedriveBus,
  topic: string,
  options: RedriveOptions = {},
): Promise<RedriveResult> {
  assertTopic(topic);
  const {
    limit = Number.POSITIVE_INFINITY,
    idleMs = 1000,
    deadLetter = deadLetterTopic(topic),
    signal,
  } = options;
  if (!(limit >= 1)) throw new InvalidOptionError('limit', limit, 'a number of at least 1');
  if (!(idleMs > 0)) throw new InvalidOptionError('idleMs', idleMs, 'milliseconds, more than 0');
  const { router } = bus;
  const names = router.enginesFor(deadLetter, options.tenant);
  for (const name of names) {
    requireCapability(router.engine(name).capabilities, 'groups', 'redrive', name);
    requireCapability(router.engine(name).capabilities, 'replay', 'redrive', name);
  }
  signal?.throwIfAborted();
  const total = { redriven: 0, kept: 0 };
  // One after the other: each engine has an end of its own, and a limit is for all of them.
  for (const name of names) {
    if (total.redriven >= limit || signal?.aborted === true) break;
    const own = { ...options, limit: limit - total.redriven };
    const run = new RedriveRun(bus, name, topic, deadLetter, own);
    await redriveFrom(
      run,
      (handler, inGroup) => bus.subscribe(name, deadLetter, handler, inGroup),
      idleMs,
      signal,
    );
    total.redriven += run.redriven;
    total.kept += run.kept;
  }
  return total;
}

/** Takes the dead letters of one engine, until it has seen them all. */
async function redriveFrom(
  run: RedriveRun,
  subscribe: (handler: EventHandler<never>, options: SubscribeOptions) => Promise<Subscription>,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = new EndOfWork(idleMs, signal);
  let leave!: () => void;
  const leaving = new Promise<void>((resolve) => (leave = resolve));
  try {
    const subscription = await subscribe(
      async (event: Event) => {
        // Given back only when the subscription is on its way out, which would otherwise get it again at once.
        if (end.isReached) return leaving.then(giveBack);
        end.postpone();
        if (!(await run.take(event))) {
          end.reach();
          return leaving.then(giveBack);
        }
        if (run.isFull) end.reach();
      },
      { group: `_redrive.${run.deadLetter.slice(0, 180)}`, from: 'earliest', deadLetter: false },
    );
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
}

function giveBack(): never {
  throw new GiveBack();
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
  readonly #keptLetters = new Set<string>();

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

  /** False where the dead letter is one that this run wrote back itself: then it has seen them all. */
  async take(event: Event): Promise<boolean> {
    const origin = deadLetterOf(event);
    const letter = JSON.stringify([event.id, origin?.group, origin?.subscription, origin?.lastFailedAt]);
    if (this.#keptLetters.has(letter)) return false;
    if (origin !== undefined && this.#isWanted(event, origin)) {
      await this.#bus.publish(publishedBack(event, origin));
      this.#redrivenFor.add(eventFor(event, origin));
      this.redriven++;
    } else {
      const { id, payload, metadata, key, createdAt } = event;
      // On this engine, whatever the rules say now: where it comes again, this run has seen all.
      const copy = new PublishedEvent(id, this.deadLetter, payload, metadata, key, createdAt);
      await this.#bus.publish(copy, this.engineName);
      this.#keptLetters.add(letter);
      this.kept++;
    }
    return true;
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

/** Reached when told so, when nothing came for a while, or when the signal aborts. */
class EndOfWork {
  readonly reached: Promise<void>;
  isReached = false;
  readonly #idleMs: number;
  readonly #unlink: () => void;
  #resolve!: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(idleMs: number, signal: AbortSignal | undefined) {
    this.#idleMs = idleMs;
    this.reached = new Promise((resolve) => (this.#resolve = resolve));
    this.#unlink = onAbort(signal, this.reach);
  }

  /** From now on, nothing means that nothing is left. */
  begin(): void {
    if (!this.isReached && this.#timer === undefined) this.postpone();
  }

  postpone(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.reach, this.#idleMs);
  }

  readonly reach = (): void => {
    this.isReached = true;
    clearTimeout(this.#timer);
    this.#resolve();
  };

  close(): void {
    clearTimeout(this.#timer);
    this.#unlink();
  }
}
