import { onAbort } from './on-abort.ts';
import { settlesWithin } from './or-aborted.ts';

/** A published event that waits for the answer of its broker. */
export class PendingPublish<Message> {
  readonly topic: string;
  /** The event as the client sends it. */
  readonly message: Message;
  /** When it was published, by `performance.now()`. */
  readonly since: number = performance.now();
  /** Settles as the publish does. */
  readonly settled: Promise<void>;
  /** True once `settled` has settled. A publisher does not send such an event, or does not send it again. */
  isSettled = false;
  /** The last temporary refusal of the broker; undefined if there was none. */
  lastError: unknown = undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;
  #unlink: (() => void) | undefined;

  constructor(topic: string, message: Message) {
    this.topic = topic;
    this.message = message;
    this.settled = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Calls back if the signal aborts before the event is settled. */
  linkTo(signal: AbortSignal, onAborted: () => void): void {
    const unlink = onAbort(signal, onAborted);
    // An aborted signal has called back already.
    if (this.isSettled) unlink();
    else this.#unlink = unlink;
  }

  /** For `PendingPublishes`, which keeps count: publishers settle an event through it. */
  settle(error?: { readonly cause: unknown }): void {
    this.isSettled = true;
    this.#unlink?.();
    if (error === undefined) this.#resolve();
    else this.#reject(error.cause);
  }
}

/** Filters the queue of a publisher, because a settled event must not be sent any more. */
export function isUnsettled({ isSettled }: { readonly isSettled: boolean }): boolean {
  return !isSettled;
}

/** The options of {@link PendingPublishes}. */
export interface PendingPublishesOptions<Message> {
  /** Milliseconds that a publish waits for the answer of the broker, its retries included. */
  readonly timeoutMs: number;
  /** The error of a publish that has waited for that long. */
  readonly timedOut: (outgoing: PendingPublish<Message>) => Error;
}

/**
 * The events that a publisher has taken and that the broker has not answered for. It ends a publish whose time is over, whose
 * signal aborts, or that has no answer when the engine closes; the publisher decides when events leave, and in which order.
 *
 * An event that is settled before it has left must not leave any more: a publisher skips those with `isSettled` when it takes events
 * from its queue.
 */
export class PendingPublishes<Message> implements Iterable<PendingPublish<Message>> {
  readonly #options: PendingPublishesOptions<Message>;
  /** In the order of publishing, which is also the order of their deadlines. */
  readonly #unsettled = new Set<PendingPublish<Message>>();
  #timer: NodeJS.Timeout | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: PendingPublishesOptions<Message>) {
    this.#options = options;
  }

  /** How many events have no answer. */
  get size(): number {
    return this.#unsettled.size;
  }

  [Symbol.iterator](): Iterator<PendingPublish<Message>> {
    return this.#unsettled.values();
  }

  /** Takes an event. If the signal aborts, the publish rejects with the signal's reason. */
  add(topic: string, message: Message, signal?: AbortSignal): PendingPublish<Message> {
    const outgoing = new PendingPublish(topic, message);
    this.#unsettled.add(outgoing);
    this.#timer ??= this.#lookIn(this.#options.timeoutMs);
    if (signal !== undefined) outgoing.linkTo(signal, () => this.reject(outgoing, signal.reason));
    return outgoing;
  }

  /** The broker has accepted the event. Does nothing if it is settled. */
  resolve(outgoing: PendingPublish<Message>): void {
    if (this.#unsettled.delete(outgoing)) outgoing.settle();
    if (this.#emptied !== undefined && this.size === 0) this.#emptied();
  }

  /** The publish has failed. Does nothing if it is settled. */
  reject(outgoing: PendingPublish<Message>, error: unknown): void {
    if (this.#unsettled.delete(outgoing)) outgoing.settle({ cause: error });
    if (this.#emptied !== undefined && this.size === 0) this.#emptied();
  }

  /**
   * Waits until every event is settled, for `timeoutMs` at most, and rejects the rest. The publisher must take no more events.
   *
   * @param closed - The error of an event without an answer.
   */
  async close(timeoutMs: number, closed: (outgoing: PendingPublish<Message>) => Error): Promise<void> {
    if (this.size > 0 && timeoutMs > 0)
      await settlesWithin(new Promise<void>((resolve) => (this.#emptied = resolve)), timeoutMs);
    clearTimeout(this.#timer);
    for (const outgoing of this.#unsettled) this.reject(outgoing, closed(outgoing));
  }

  /** One timer for all deadlines: the answers of most events come long before. */
  #lookIn(ms: number): NodeJS.Timeout {
    // Runs after the sockets were read, so that a process that was suspended first gets the answers that arrived meanwhile.
    return setTimeout(() => setImmediate(() => this.#endLate()), ms).unref();
  }

  #endLate(): void {
    this.#timer = undefined;
    const { timeoutMs, timedOut } = this.#options;
    const now = performance.now();
    for (const outgoing of this.#unsettled) {
      const left = outgoing.since + timeoutMs - now;
      if (left > 0) {
        this.#timer = this.#lookIn(Math.ceil(left));
        return;
      }
      this.reject(outgoing, timedOut(outgoing));
    }
  }
}
