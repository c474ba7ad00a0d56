import { requireCapability } from '../../contract/capabilities.ts';
import type { Event } from '../../contract/event.ts';
import { assertTenant } from '../../contract/tenant.ts';
import type { EndWait } from '../../contract/transport.ts';
import { assertTopic } from '../../contract/topics.ts';
import { deadLetterTopic } from '../../dead-letters/dead-letter.ts';
import { activeWork, runInWork } from '../../dispatch/current-work.ts';
import type { Work } from '../../dispatch/delivery.ts';
import { ReleaseError } from '../../dispatch/release-error.ts';
import { beginWait } from '../../dispatch/wait-graph.ts';
import {
  type OptionNames,
  assertGroup,
  assertOptionNames,
  assertSignal,
  signalName,
  timerMs,
} from '../../engine/options/call-options.ts';
import { InvalidOptionError } from '../../errors/errors.ts';
import { EndOfWork } from './end-of-work.ts';
import { type RedriveBus, type RedriveOptions, RedriveRun } from './redrive-run.ts';

const optionNames = {
  ...signalName,
  group: true,
  tenant: true,
  limit: true,
  filter: true,
  deadLetter: true,
  idleMs: true,
} satisfies OptionNames<RedriveOptions>;

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
 * the process dies, the dead letters that it published after its last commit are redriven again.
 *
 * Rejects with the first error of a publish or of `filter`. The dead letters before it are redriven; it and those behind it stay for
 * the next redrive. If a record is too large to be kept, `redrive` logs a warning and continues.
 *
 * @throws {@link InvalidTopicError} or {@link InvalidOptionError} if an argument is invalid.
 * @throws {@link UnsupportedCapabilityError} if an engine lacks `groups` or `replay`, or if it is `crossProcess` and not durable, such as
 *   Kinesis with its checkpoints in memory: its groups lose their position with the process, and dead letters would be redriven twice.
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
  if (options.tenant !== undefined) assertTenant(options.tenant);
  assertTopic(deadLetter);
  if (options.filter !== undefined && typeof options.filter !== 'function')
    throw new InvalidOptionError('filter', options.filter, 'a function that returns a boolean');
  assertSignal(signal);
  const { router } = bus;
  const names = router.enginesFor(deadLetter, options.tenant);
  for (const name of names) {
    const { type, capabilities } = router.engine(name);
    const engine = { name, type, capabilities };
    requireCapability(engine, 'groups', 'redrive');
    requireCapability(engine, 'replay', 'redrive');
    if (capabilities.crossProcess) requireCapability(engine, 'durable', 'redrive');
  }
  signal?.throwIfAborted();
  const isAborted = (): boolean => signal?.aborted === true;
  const total = { redriven: 0, kept: 0 };
  // One engine after the other: each has its own end, and the limit applies to all of them together.
  for (const name of names) {
    if (total.redriven >= limit || isAborted()) break;
    const run = new RedriveRun(bus, name, topic, deadLetter, {
      ...options,
      limit: limit - total.redriven,
    });
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
  const caller = activeWork();
  let endWait: EndWait | boolean | undefined;
  try {
    const subscription = await run.subscribe(topic, async (event: Event) => {
      // Released only once the subscription is being cancelled, or it would get the event again at once.
      if (end.isReached) await leaving.then(release);
      end.postpone();
      endWait ??= beginWaitOf(caller);
      try {
        if ((await run.take(event)) === 'end' || run.isFull) end.reach();
      } catch (error) {
        // No retries here: a few attempts would not outlast a broker outage, and a skipped dead letter would never be redriven.
        failure ??= { error };
        end.reach();
        await leaving.then(release);
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
    if (typeof endWait === 'function') endWait();
  }
  if (failure !== undefined) throw failure.error;
}

/**
 * Records that the handler that called `redrive` waits for the subscription whose handler calls this. A publish that waits for handlers
 * then does not wait for that one.
 */
function beginWaitOf(caller: Work | undefined): EndWait | boolean {
  const own = activeWork();
  if (caller === undefined || own === undefined) return true;
  return runInWork(caller, () => beginWait(own.queue.node));
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
  const countEvent = (): void => {
    count++;
    end.reach();
  };
  const subscription = await bus.subscribe(engine, topic, countEvent, {
    from: 'earliest',
    deadLetter: false,
  });
  end.begin();
  await end.reached;
  end.close();
  await subscription.cancel();
  return count > 0;
}

function release(): never {
  throw new ReleaseError();
}
