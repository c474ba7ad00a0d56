import type { Event } from '../../contract/event.ts';
import type { Logger } from '../../contract/observing.ts';
import type { Acknowledgement, RawRecord, Receiver } from '../../contract/transport.ts';
import { describeError } from '../../errors/describe-error.ts';
import { backoffMs } from '../backoff.ts';
import { DueQueue } from '../due-queue.ts';
import type { DelayLevel } from './delay-levels.ts';
import { type HeldEvent, fromHolding } from './held-event.ts';

interface Waiting {
  readonly held: HeldEvent;
  readonly acknowledgement: Acknowledgement;
  failures: number;
  /** Why the last attempt to publish it failed. */
  error: unknown;
}

/** Publishes an event to its next topic. Gets how often that has failed, and why it failed last. */
export type PublishHeld = (held: HeldEvent, failures: number, lastError: unknown) => Promise<void>;

/** How many events of a level wait in the memory of a process. Of the others, the broker keeps the position. */
const maxWaiting = 2000;

/** Takes the events of one holding topic, and publishes each to its next topic when its wait is over. Then it acknowledges the event. */
export class LevelReceiver implements Receiver {
  readonly isPaused = false;
  onRoom: (() => void) | undefined = undefined;
  mayBegin: (() => boolean) | undefined = undefined;
  readonly #level: DelayLevel;
  readonly #publish: PublishHeld;
  readonly #logger: Logger;
  readonly #waiting = new DueQueue<Waiting>((one) => this.#begin(one));
  /** Events whose wait is over while another process may have them. */
  #unconfirmed: Waiting[] = [];
  #publishing = 0;
  /** Counts calls of `withdraw`: an event whose publish fails after one is released. */
  #withdrawals = 0;

  constructor(level: DelayLevel, publish: PublishHeld, logger: Logger) {
    this.#level = level;
    this.#publish = publish;
    this.#logger = logger;
  }

  get capacity(): number {
    return maxWaiting - this.#waiting.size - this.#unconfirmed.length - this.#publishing;
  }

  deliver(event: Event, acknowledgement: Acknowledgement): void {
    this.enqueue(event, acknowledgement);
    this.run();
  }

  enqueue(event: Event, acknowledgement: Acknowledgement): void {
    const held = fromHolding(event);
    if (held === undefined) {
      this.#ignore(event.topic, acknowledgement);
      return;
    }
    const { waitMs } = this.#level;
    const at = waitMs === 0 ? held.dueAt : held.heldAt + waitMs;
    this.#waiting.add({ held, acknowledgement, failures: 0, error: undefined }, { at }, held.order);
  }

  undecodable({ topic }: RawRecord, acknowledgement: Acknowledgement): void {
    this.#ignore(topic, acknowledgement);
  }

  #ignore(topic: string, acknowledgement: Acknowledgement): void {
    this.#logger.warn('a record in a topic of delayed events is no delayed event and is ignored', { topic });
    // In a later turn, because a transport does not expect it during `enqueue`.
    setImmediate(() => acknowledgement.settled());
  }

  run(): void {
    if (this.#unconfirmed.length === 0 || this.mayBegin?.() === false) return;
    for (const one of this.#unconfirmed.splice(0)) this.#begin(one);
  }

  #begin(one: Waiting): void {
    if (this.mayBegin?.() === false) {
      this.#unconfirmed.push(one);
      return;
    }
    this.#publishing++;
    const withdrawals = this.#withdrawals;
    this.#publish(one.held, one.failures, one.error).then(
      () => this.#end(() => one.acknowledgement.settled()),
      (error: unknown) => this.#end(() => this.#failed(one, error, withdrawals)),
    );
  }

  #failed(one: Waiting, error: unknown, withdrawals: number): void {
    if (withdrawals !== this.#withdrawals) {
      one.acknowledgement.release();
      return;
    }
    one.failures++;
    one.error = error;
    this.#logger.debug?.('a delayed event could not be published and is published again', {
      topic: one.held.event.topic,
      error: describeError(error).message,
    });
    this.#waiting.add(one, { delayMs: backoffMs(one.failures, 100, 5000) }, one.held.order);
  }

  #end(settle: () => void): void {
    const hadRoom = this.capacity > 0;
    this.#publishing--;
    settle();
    if (!hadRoom && this.capacity > 0) this.onRoom?.();
  }

  withdraw(): void {
    this.#withdrawals++;
    const taken = [...this.#waiting.clear(), ...this.#unconfirmed.splice(0)];
    for (const { acknowledgement } of taken) acknowledgement.release();
  }

  wants(): boolean {
    return true;
  }

  beginWait(): boolean {
    return true;
  }

  drop(): void {}
}
