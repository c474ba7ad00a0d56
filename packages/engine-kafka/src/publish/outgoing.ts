import { onAbort } from '@polybus/core/engine-kit';
import type { OutgoingRecord } from '../client/client-port.ts';
import { sizeOf } from '../read/record.ts';

/** An event on its way to the cluster. */
export class Outgoing {
  readonly topic: string;
  readonly record: OutgoingRecord;
  readonly bytes: number;
  readonly deadline: number;
  readonly settled: Promise<void>;
  isDone = false;
  #unlink = nothing;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(topic: string, record: OutgoingRecord, timeoutMs: number, signal: AbortSignal | undefined) {
    this.topic = topic;
    this.record = record;
    this.bytes = sizeOf(record);
    this.deadline = performance.now() + timeoutMs;
    this.settled = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#unlink = signal === undefined ? nothing : onAbort(signal, () => this.reject(signal.reason));
  }

  resolve(): void {
    this.isDone = true;
    this.#unlink();
    this.#resolve();
  }

  reject(error: unknown): void {
    this.isDone = true;
    this.#unlink();
    this.#reject(error);
  }
}

function nothing(): void {}
