import type { Event, HandlerContext } from '@polybus/core';
import type { LedgerWriter } from '../ledger/ledger-file.ts';
import type { SubscriptionNames } from './make-bus.ts';
import type { Mood } from './settings.ts';

const slowMs = 300;
const usualMs = 15;
/** One handler in ten takes so long, so that some run whenever their process is killed. */
const longMs = 150;
/** From this attempt on, an event succeeds, so that every event can be handled in the end. */
const lastFailure = 3;

/** The handlers of a process. They write each begin and end to the ledger, and behave according to their mood. */
export class Handlers {
  #mood: Mood = 'normal';
  #backToNormal: NodeJS.Timeout | undefined;
  #count = 0;
  readonly #ledger: LedgerWriter;
  readonly #names: SubscriptionNames;

  constructor(ledger: LedgerWriter, names: SubscriptionNames) {
    this.#ledger = ledger;
    this.#names = names;
  }

  setMood(mood: Mood, forMs: number): void {
    clearTimeout(this.#backToNormal);
    this.#mood = mood;
    this.#backToNormal = setTimeout(() => (this.#mood = 'normal'), forMs);
  }

  /** The handler of a subscription that has this name in the ledger. */
  for(sub: string): (event: Event, context: HandlerContext) => Promise<void> {
    return async ({ id, key, payload }, { attempt, signal, subscription }) => {
      this.#names.set(subscription.id, sub);
      const n = this.#count++;
      const { seq } = payload as { seq: number };
      this.#ledger.write({ is: 'begin', sub, n, id, ...(key === undefined ? {} : { key }), seq, attempt });
      let isOver = false;
      const end = (ok: boolean): void => {
        if (!isOver) this.#ledger.write({ is: 'end', n, ok });
        isOver = true;
      };
      // At once: the next attempt may begin in the same turn.
      signal.addEventListener('abort', () => end(false));
      try {
        await this.#act(attempt, signal);
        signal.throwIfAborted();
        end(true);
      } catch (error) {
        end(false);
        throw error;
      }
    };
  }

  async #act(attempt: number, signal: AbortSignal): Promise<void> {
    const mood = attempt > lastFailure && this.#mood !== 'slow' ? 'normal' : this.#mood;
    if (mood === 'throw') throw new Error('a handler that throws');
    if (mood === 'hang') return aborted(signal);
    const random = Math.random();
    const ms = mood === 'slow' ? slowMs : random < 0.1 ? longMs : random * usualMs;
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}
