/** What waits for a worker. */
export interface PoolClient {
  /** Called when a worker may be free again. */
  pump(): void;
}

/** A number of workers that several queues share. The queues that wait get the next free worker in turn. */
export class WorkerPool {
  readonly #limit: number;
  readonly #waiting = new Set<PoolClient>();
  #active = 0;
  #wakeScheduled = false;
  /** Who waited longest, while it is offered one worker. */
  #turn: PoolClient | undefined = undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a worker, or notes the client to be pumped when one is free. Nobody takes one while others wait for it. */
  tryAcquire(client: PoolClient): boolean {
    if (this.#active < this.#limit && (this.#waiting.size === 0 || this.#turn === client)) {
      this.#turn = undefined;
      this.#active++;
      return true;
    }
    this.#waiting.add(client);
    return false;
  }

  /** Takes a worker back that was given up while its handler waited, even where that makes one too many. */
  reacquire(): void {
    this.#active++;
  }

  release(): void {
    this.#active--;
    if (this.#waiting.size === 0 || this.#wakeScheduled) return;
    // In a microtask of its own: a chain of handlers that return at once must not grow the stack.
    this.#wakeScheduled = true;
    queueMicrotask(this.#wake);
  }

  /** A client that waits no more. */
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
