import type { PoolClient, WorkerPool } from './worker-pool.ts';

/** The workers that one queue draws from, if any: the engine's, and those of a subscription that spans several engines. */
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

  /** Takes a worker, or has the client pumped when one is free. */
  tryAcquire(client: PoolClient): boolean {
    if (this.#gate !== undefined && !this.#gate.tryAcquire(client)) return false;
    if (this.#pool === undefined || this.#pool.tryAcquire(client)) return true;
    this.#gate?.release();
    return false;
  }

  /** @param isLent - Whether the worker was lent out, so that it is not there to be given back. */
  release(isLent = false): void {
    if (!isLent) this.#pool?.release();
    this.#gate?.release();
  }

  /** A running handler waits for other subscriptions and lends its worker to them. */
  lend(): void {
    this.#pool?.release();
  }

  takeBack(): void {
    this.#pool?.reacquire();
  }

  /** A client that wants no more workers. */
  forget(client: PoolClient): void {
    this.#gate?.forget(client);
    this.#pool?.forget(client);
  }
}
