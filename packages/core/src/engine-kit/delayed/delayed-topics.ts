import { newEventId } from '../../contract/event-id.ts';
import type { Event } from '../../contract/event.ts';
import type { Logger } from '../../contract/observing.ts';
import type { Delay, Listener, ListenRequest, Receiver } from '../../contract/transport.ts';
import { describeError } from '../../errors/describe-error.ts';
import { backoffMs } from '../backoff.ts';
import { pause } from '../pause.ts';
import { type DelayLevel, DelayLevels } from './delay-levels.ts';
import { toHolding } from './held-event.ts';
import { LevelReceiver, type PublishHeld } from './level-receiver.ts';

/** The options of {@link DelayedTopics}. */
export interface DelayedTopicsOptions {
  /** The beginning of the names of the holding topics, and the group that reads them. */
  readonly prefix: string;
  readonly send: (event: Event, signal?: AbortSignal) => Promise<void>;
  readonly listen: (request: ListenRequest, receiver: Receiver) => Promise<Listener>;
  readonly logger: Logger;
}

/** How often the publish of an event that is due fails before the event waits for longer. */
const maxFailures = 5;
/** Delays between attempts to join the group, in milliseconds. */
const [initialBackoffMs, maxBackoffMs] = [500, 30_000];

/**
 * Delays events on a broker that can only append records: an event waits in holding topics, and a group reads them. Each engine with the
 * same prefix is a member of the group.
 *
 * In a holding topic, all events wait for the same time. An event with a longer delay passes through several of them. So no event waits
 * behind one that is due later, members keep few events in memory, and the group's position is close to every event that it has
 * published, so that a member that takes over repeats few of them.
 */
export class DelayedTopics {
  readonly #options: DelayedTopicsOptions;
  readonly #levels: DelayLevels;
  readonly #receivers: LevelReceiver[] = [];
  readonly #closing = new AbortController();
  #lastOrder = 0;
  #hasBegun = false;

  constructor(options: DelayedTopicsOptions) {
    this.#options = options;
    this.#levels = new DelayLevels(options.prefix);
  }

  /** Returns true if the topic is a holding topic. */
  has(topic: string): boolean {
    return this.#levels.all.some((level) => level.topic === topic);
  }

  /** Stores a delayed event. Resolves when the broker has accepted it. */
  send(event: Event, { delayMs, at }: Delay, signal?: AbortSignal): Promise<void> {
    this.begin();
    const now = Date.now();
    // The clock was rounded down, and the event must not be early.
    const dueAt = at ?? now + 1 + delayMs;
    // More than a thousand events in a millisecond run ahead of the clock.
    const order = (this.#lastOrder = Math.max(this.#lastOrder + 1, now * 1000));
    const held = { event, dueAt, order, heldAt: now };
    return this.#options.send(toHolding(held, this.#levels.of(dueAt - now).topic), signal);
  }

  /** Joins the group, unless the engine has joined it. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    for (const level of this.#levels.all) void this.#read(level);
  }

  async #read(level: DelayLevel): Promise<void> {
    const { prefix, logger, listen } = this.#options;
    const { signal } = this.#closing;
    const receiver = new LevelReceiver(level, this.#publish, logger);
    this.#receivers.push(receiver);
    const request = {
      pattern: level.topic,
      group: prefix,
      subscriptionId: newEventId(),
      from: 'earliest',
    } as const;
    for (let failures = 0; !signal.aborted;) {
      try {
        await listen({ ...request, isAsync: true, concurrency: 1 }, receiver);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (++failures === 1) {
          logger.warn('delayed events cannot be read now; the engine tries again', {
            topic: level.topic,
            error: describeError(error).message,
          });
        }
        await pause(backoffMs(failures, initialBackoffMs, maxBackoffMs), signal).catch(() => {});
      }
    }
  }

  readonly #publish: PublishHeld = (held, failures, lastError) => {
    const { send, logger } = this.#options;
    const now = Date.now();
    const remainingMs = held.dueAt - now;
    if (remainingMs > 0) return send(toHolding({ ...held, heldAt: now }, this.#levels.of(remainingMs).topic));
    if (failures < maxFailures) return send(held.event);
    // It must not keep the group's position back for long.
    const { topic, waitMs } = this.#levels.afterFailure;
    logger.warn('a delayed event is due and could not be published; the engine tries again', {
      topic: held.event.topic,
      id: held.event.id,
      error: describeError(lastError).message,
      retryInMs: waitMs,
    });
    return send(toHolding({ ...held, heldAt: now }, topic));
  };

  /** Publishes no more events. Those that wait stay on the broker. */
  close(): void {
    this.#closing.abort();
    for (const receiver of this.#receivers) receiver.withdraw();
  }
}
