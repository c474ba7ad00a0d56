/** A queue that waits for a worker. */
export interface PoolClient {
  /** Called when a worker may be free. */
  pump(): void;
}

/** A pool of workers that several queues share. Waiting queues take turns for free workers. */
export class WorkerPool {
  #limit: number;
  readonly #waiting = new Set<PoolClient>();
  #active = 0;
  #wakeScheduled = false;
  /** The queue that has waited longest, while it is offered a worker. */
  #turn: PoolClient | undefined = undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a worker, or registers the queue to be called when one is free. A queue cannot overtake waiting queues. */
  tryAcquire(client: PoolClient): boolean {
    if (this.#active < this.#limit && (this.#waiting.size === 0 || this.#turn === client)) {
      this.#turn = undefined;
      this.#active++;
      return true;
    }
    this.#waiting.add(client);
    return false;
  }

  resize(limit: number): void {
    this.#limit = limit;
    this.#wakeSoon();
  }

  /** Takes back a worker that was lent while its handler waited, even if that exceeds the size of the pool. */
  reacquire(): void {
    this.#active++;
  }

  release(): void {
    this.#active--;
    this.#wakeSoon();
  }

  #wakeSoon(): void {
    if (this.#waiting.size === 0 || this.#wakeScheduled) return;
    // In a microtask, so that a chain of synchronous handlers does not grow the stack.
    this.#wakeScheduled = true;
    queueMicrotask(this.#wake);
  }

  /** Removes a queue that no longer waits. */
  forget(client: PoolClient): void {
    this.#waiting.delete(client);
  }

  readonly #wake = (): void => {
    this.#wakeScheduled = false;
    for (const client of this.#waiting) {
      if (this.#active >= this.#limit) return;
      this.#waiting.delete(client);
      this.#turn = client;
      client.pump();
      this.#turn = undefined;
    }
  };
}
