import { AsyncResource } from 'node:async_hooks';
import { longestTimerMs } from '../contract/timer-limit.ts';
import type { Delay } from '../contract/transport.ts';

interface Waiting<T> {
  readonly item: T;
  /** By `performance.now()`. */
  readonly due: number;
  readonly sequence: number;
}

/** How far the clocks may drift before their difference is measured again, in milliseconds. */
const toleranceMs = 2;

/**
 * Items that wait in this process, each until it is due. Items that are due at the same time keep the order in which they were added.
 * One timer serves all of them, and it runs in the asynchronous context in which the queue was made, not in that of a handler that adds
 * an item.
 */
export class DueQueue<T> {
  /** A binary heap: the item at an index is not due before the item at `(index - 1) >> 1`. */
  readonly #heap: Waiting<T>[] = [];
  readonly #onDue: (item: T) => void;
  readonly #context = new AsyncResource('polybus.DueQueue');
  #added = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerEnds = Number.POSITIVE_INFINITY;
  /** The difference between the wall clock and the monotonic clock, so that equal times stay equal. */
  #clockDifference = Number.NaN;

  /** @param onDue - Called for each item, once it is due. Must not throw. */
  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** @param sequence - The order among the items that are due at the same time. Default: the order in which they are added. */
  add(item: T, delay: Delay, sequence: number = this.#added++): void {
    this.#push({ item, due: this.#dueOf(delay), sequence });
    this.#arm();
  }

  /** Ends the timer, and removes and returns all items. */
  clear(): T[] {
    const items = this.#heap.splice(0).map(({ item }) => item);
    this.#arm();
    return items;
  }

  #dueOf({ delayMs, at }: Delay): number {
    const now = performance.now();
    if (at === undefined) return now + delayMs;
    const difference = Date.now() - now;
    if (!(Math.abs(difference - this.#clockDifference) <= toleranceMs)) this.#clockDifference = difference;
    // Never early, although the difference that was measured before may be too large by the tolerance.
    return at - this.#clockDifference + toleranceMs;
  }

  #arm(): void {
    const first = this.#heap[0]?.due ?? Number.POSITIVE_INFINITY;
    if (first === this.#timerEnds) return;
    clearTimeout(this.#timer);
    this.#timerEnds = first;
    if (first === Number.POSITIVE_INFINITY) return;
    const left = Math.min(Math.max(1, Math.ceil(first - performance.now())), longestTimerMs);
    this.#context.runInAsyncScope(() => (this.#timer = setTimeout(this.#fire, left)));
  }

  readonly #fire = (): void => {
    // A timer can fire up to a millisecond early, and a long delay takes several timers.
    const now = performance.now();
    while ((this.#heap[0]?.due ?? Number.POSITIVE_INFINITY) <= now) this.#onDue(this.#pop().item);
    this.#timerEnds = Number.POSITIVE_INFINITY;
    this.#arm();
  };

  #push(waiting: Waiting<T>): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, waiting)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = waiting;
  }

  #pop(): Waiting<T> {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Waiting<unknown>, b: Waiting<unknown>): boolean {
  return a.due === b.due ? a.sequence < b.sequence : a.due < b.due;
}
