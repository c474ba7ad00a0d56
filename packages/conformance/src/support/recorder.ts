import assert from 'node:assert/strict';
import type { Event, EventHandler, HandlerContext } from '@polybus/core';
import { eventually, type Wakeup } from './eventually.ts';

/** One call of a recording handler. */
export interface Call<T> {
  readonly event: Event<T>;
  readonly context: HandlerContext;
}

/** A handler that records its calls. */
export class Recorder<T = unknown> {
  readonly calls: Call<T>[] = [];
  readonly handler: EventHandler<T>;
  running = 0;
  mostRunning = 0;
  /** Calls that have ended, with or without an error. */
  ended = 0;
  readonly #wakeup: Wakeup;
  readonly #deadlineMs: number;

  /** @param body - The rest of the handler. */
  constructor(wakeup: Wakeup, deadlineMs: number, body?: EventHandler<T>) {
    this.#wakeup = wakeup;
    this.#deadlineMs = deadlineMs;
    // Without a body the handler is synchronous, so that it adds no cost to publishing.
    this.handler = (event, context) => {
      this.#begin(event, context);
      if (body === undefined) return this.#end();
      return this.#run(body, event, context);
    };
  }

  async #run(body: EventHandler<T>, event: Event<T>, context: HandlerContext): Promise<void> {
    try {
      await body(event, context);
    } finally {
      this.#end();
    }
  }

  #begin(event: Event<T>, context: HandlerContext): void {
    this.calls.push({ event, context });
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    this.#wakeup.wake();
  }

  #end(): void {
    this.running--;
    this.ended++;
    this.#wakeup.wake();
  }

  get events(): Event<T>[] {
    return this.calls.map(({ event }) => event);
  }

  get payloads(): T[] {
    return this.calls.map(({ event }) => event.payload);
  }

  get ids(): string[] {
    return this.calls.map(({ event }) => event.id);
  }

  /** Waits until this many calls of the handler have ended. */
  ends(count: number): Promise<void> {
    const missing = (): string => `${count} call(s) of the handler to end; ${this.#tally()}`;
    return eventually(() => this.ended >= count, missing, this.#deadlineMs, this.#wakeup);
  }

  /** Waits until the handler has been called this many times; calls may still be running. */
  begins(count: number): Promise<void> {
    const missing = (): string => `${count} call(s) of the handler; ${this.#tally()}`;
    return eventually(() => this.calls.length >= count, missing, this.#deadlineMs, this.#wakeup);
  }

  #tally(): string {
    return `it was called ${this.calls.length} time(s), of which ${this.ended} ended`;
  }

  /** Asserts that each of these payloads arrived exactly once, in any order, and no other. */
  assertPayloads(expected: readonly T[]): void {
    const sorted = (values: readonly T[]): string[] =>
      values.map((value) => JSON.stringify(value) ?? 'undefined').sort();
    assert.deepEqual(sorted(this.payloads), sorted(expected));
  }
}
