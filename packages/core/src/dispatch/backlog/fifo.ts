/** An item of a `Fifo`. Each item is in one queue at a time. */
export interface Chained<T> {
  next: T | undefined;
}

/** A queue chained through its items, so that queueing an event allocates nothing. */
export class Fifo<T extends Chained<T>> {
  #head: T | undefined;
  #tail: T | undefined;
  size = 0;

  push(item: T): void {
    if (this.#tail === undefined) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
    this.size++;
  }

  shift(): T | undefined {
    const item = this.#head;
    if (item === undefined) return undefined;
    this.#head = item.next;
    if (this.#head === undefined) this.#tail = undefined;
    item.next = undefined;
    this.size--;
    return item;
  }
}
