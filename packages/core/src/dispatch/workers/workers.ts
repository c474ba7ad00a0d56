import type { PoolClient, WorkerPool } from './worker-pool.ts';

/** The worker pools of one queue: that of the engine, and that of a subscription that spans several engines. */
export class Workers {
  readonly #pool: WorkerPool | undefined;
  readonly #gate: WorkerPool | undefined;

  /**
   * @param pool - Shared by the async subscriptions of an engine.
   * @param gate - Shared by the queues of one subscription that spans several engines.
   */
  constructor(pool: WorkerPool | undefined, gate: WorkerPool | undefined) {
    this.#pool = pool;
    this.#gate = gate;
  }

  /** Takes a worker, or registers the queue to be called when one is free. */
  tryAcquire(client: PoolClient): boolean {
    if (this.#gate !== undefined && !this.#gate.tryAcquire(client)) return false;
    if (this.#pool === undefined || this.#pool.tryAcquire(client)) return true;
    this.#gate?.release();
    return false;
  }

  /** @param isLent - True if the worker was lent, so that there is none to return. */
  release(isLent = false): void {
    if (!isLent) this.#pool?.release();
    this.#gate?.release();
  }

  /** Lends the worker of a running handler that waits for other subscriptions. */
  lend(): void {
    this.#pool?.release();
  }

  takeBack(): void {
    this.#pool?.reacquire();
  }

  /** Removes a queue that needs no more workers. */
  forget(client: PoolClient): void {
    this.#gate?.forget(client);
    this.#pool?.forget(client);
  }
}
