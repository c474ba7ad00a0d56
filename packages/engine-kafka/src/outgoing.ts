import type { OutgoingRecord } from './client-port.ts';
import { sizeOf } from './record.ts';

/** An event on its way to the cluster. */
export class Outgoing {
  readonly topic: string;
  readonly record: OutgoingRecord;
  readonly bytes: number;
  readonly deadline: number;
  readonly settled: Promise<void>;
  isDone = false;
  readonly #signal: AbortSignal | undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(topic: string, record: OutgoingRecord, timeoutMs: number, signal: AbortSignal | undefined) {
    this.topic = topic;
    this.record = record;
    this.bytes = sizeOf(record);
    this.deadline = performance.now() + timeoutMs;
    this.#signal = signal;
    this.settled = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal?.addEventListener('abort', this, { once: true });
  }

  /** The publisher has given it up. */
  handleEvent(): void {
    this.reject(this.#signal!.reason);
  }

  resolve(): void {
    this.isDone = true;
    this.#signal?.removeEventListener('abort', this);
    this.#resolve();
  }

  reject(error: unknown): void {
    this.isDone = true;
    this.#signal?.removeEventListener('abort', this);
    this.#reject(error);
  }
}
