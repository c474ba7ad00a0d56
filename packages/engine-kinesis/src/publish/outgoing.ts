/** An event on its way to the stream. */
export class Outgoing {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly since: number = performance.now();
  readonly settled: Promise<void>;
  /** What the server said last; undefined while it has said nothing. */
  lastError: unknown = undefined;
  isOver = false;
  /** Takes back what waits for its signal. */
  unlink: (() => void) | undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(topic: string, data: Uint8Array) {
    this.topic = topic;
    this.data = data;
    this.settled = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(): void {
    this.isOver = true;
    this.unlink?.();
    this.#resolve();
  }

  reject(error: unknown): void {
    this.isOver = true;
    this.unlink?.();
    this.#reject(error);
  }
}
