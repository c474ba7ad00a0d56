import assert from 'node:assert/strict';
import type { Event, EventHandler, HandlerContext } from '@polybus/core';
import { assertEach, assertOrder, listed } from './arrivals.ts';
import { eventually, type Wakeup } from './eventually.ts';

/** One call of a recording handler. */
export interface Call<T> {
  readonly event: Event<T>;
  readonly context: HandlerContext;
  /** How many calls had ended when it began. */
  readonly endedBefore: number;
  /** How many calls had ended when it ended, itself included. */
  endedAs?: number;
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
      const call = this.#begin(event, context);
      if (body === undefined) return this.#end(call);
      return this.#run(body, call);
    };
  }

  async #run(body: EventHandler<T>, call: Call<T>): Promise<void> {
    try {
      await body(call.event, call.context);
    } finally {
      this.#end(call);
    }
  }

  #begin(event: Event<T>, context: HandlerContext): Call<T> {
    const call = { event, context, endedBefore: this.ended };
    this.calls.push(call);
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    this.#wakeup.wake();
    return call;
  }

  #end(call: Call<T>): void {
    this.running--;
    call.endedAs = ++this.ended;
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

  /**
   * Asserts that each of these payloads arrived exactly once, in any order, and no other.
   *
   * @param who - The handler, as errors call it.
   */
  assertPayloads(expected: readonly T[], who: string = 'the handler'): void {
    assertEach(this.payloads, expected, who);
  }

  /** Asserts that these payloads arrived in this order, and no other. */
  assertOrder(expected: readonly T[], who: string = 'the handler'): void {
    assertOrder(this.payloads, expected, who);
  }

  /**
   * Asserts that the events of each key of a topic were handled one at a time, in publish order, and not again after an attempt that
   * succeeded. Their payloads are numbers in publish order.
   */
  assertKeyOrder(this: Recorder<number>, who: string = 'the handler'): void {
    const last = new Map<string, Call<number>>();
    const violations: string[] = [];
    for (const call of this.calls) {
      const { event, context, endedBefore } = call;
      const id = JSON.stringify([event.topic, event.key]);
      const before = last.get(id);
      last.set(id, call);
      if (before === undefined) continue;
      const n = event.payload;
      const other = before.event.payload;
      if ((before.endedAs ?? Infinity) > endedBefore)
        violations.push(`${n} of "${event.key}" began while ${other} was handled`);
      else if (n < other || (n === other && context.attempt <= before.context.attempt))
        violations.push(`${n} of "${event.key}" began after ${other}`);
    }
    assert.ok(
      violations.length === 0,
      `expected ${who} to get the events of each key one at a time and in order, but ${listed(violations)}`,
    );
  }

  /** Asserts that it was called this many times. */
  assertCalls(expected: number, who: string = 'the handler'): void {
    const { length } = this.calls;
    assert.ok(
      length === expected,
      `expected ${who} to be called ${expected} time(s), and it was called ${length} time(s)`,
    );
  }

  /** Asserts that its calls had these attempt numbers, in this order. */
  assertAttempts(expected: readonly number[], who: string = 'the handler'): void {
    const got = this.calls.map(({ context }) => context.attempt);
    assertOrder(got, expected, who, 'the attempts ');
  }

  /** Asserts that this many calls ran at the same time at most, and at some time as many. */
  assertMostRunning(expected: number, who: string = 'the handler'): void {
    assert.ok(
      this.mostRunning === expected,
      `expected ${who} to handle up to ${expected} event(s) at once, and it handled up to ${this.mostRunning}`,
    );
  }
}
