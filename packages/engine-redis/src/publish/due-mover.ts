import { isForbidden, messageOf } from '../errors.ts';
import type { StreamStore } from '../store/stream-store.ts';

/** How often a process looks for events that other processes have delayed, in milliseconds. */
const pollMs = 1000;
/** Stands for the topics of all delayed events. */
const anyTopic = '*';

/**
 * Moves delayed events to their streams when they are due. Each engine does so, whichever published them: at the time that the server
 * returned last, at the time of an event that this engine delays, and at intervals.
 */
export class DueMover {
  /** How many events were delayed when the engine last looked. */
  waiting = 0;
  readonly #store: StreamStore;
  readonly #onMoved: (topic: string) => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer ends, by `performance.now()`. */
  #timerEnds = Number.POSITIVE_INFINITY;
  #moving: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** The topics of events that could not be published, whose failure was reported. */
  readonly #failures = new Set<string>();

  /** @param onMoved - Called for each event that was added to its stream. */
  constructor(store: StreamStore, onMoved: (topic: string) => void) {
    this.#store = store;
    this.#onMoved = onMoved;
    this.moveIn(0);
  }

  /** Moves due events after this many milliseconds at the latest. */
  moveIn(ms: number): void {
    // A delay can be longer than a timer of Node.js.
    const waitMs = Math.min(Math.ceil(ms), pollMs);
    const ends = performance.now() + waitMs;
    if (ends >= this.#timerEnds || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timerEnds = ends;
    this.#timer = setTimeout(this.#begin, waitMs).unref();
  }

  readonly #begin = (): void => {
    this.#timerEnds = Number.POSITIVE_INFINITY;
    // The timer may end during a move that has already looked for due events.
    this.#moving = this.#moving.then(() => this.#move());
  };

  async #move(): Promise<void> {
    let dueInMs = 0;
    try {
      while (dueInMs === 0 && !this.#isClosed) {
        const moved = await this.#store.moveDue();
        ({ dueInMs } = moved);
        this.waiting = moved.waiting;
        for (const topic of moved.topics) {
          this.#onMoved(topic);
          this.#failures.delete(topic);
        }
        for (const topic of moved.refused) this.#report(topic, moved.reason);
        this.#failures.delete(anyTopic);
      }
    } catch (error) {
      // The user may have the permissions that earlier versions needed. It cannot delay events then.
      if (isForbidden(error)) return;
      dueInMs = pollMs;
      // The connection reports its own outages.
      if (this.#store.connection.isReady) this.#report(anyTopic, messageOf(error));
    }
    this.moveIn(dueInMs);
  }

  /** Warns of a failure when it begins, because a lasting failure repeats every second. */
  #report(topic: string, reason: string): void {
    if (this.#failures.has(topic) || this.#isClosed) return;
    this.#failures.add(topic);
    this.#store.logger.warn(
      'a delayed event is due and could not be published; the engine tries again',
      topic === anyTopic ? { error: reason } : { topic, error: reason },
    );
  }

  /** Ends the moves. Resolves when none is under way; close its connection first, if the server may not answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#moving;
  }
}
