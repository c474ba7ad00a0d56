import type { Event } from '@polybus/core';
import type { Delay } from '@polybus/core/engine';
import { hashOf } from '../client/hash.ts';
import type { Publisher } from './publisher.ts';

/** Spreads topics over several connections. All events of a topic take the same connection, so that they keep their order. */
export class Publishers {
  readonly #all: readonly Publisher[];

  constructor(all: readonly Publisher[]) {
    this.#all = all;
  }

  send(event: Event, signal?: AbortSignal, delay?: Delay): Promise<void> {
    const all = this.#all;
    return all[all.length === 1 ? 0 : hashOf(event.topic) % all.length]!.send(event, signal, delay);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((publisher) => publisher.close()));
  }
}
