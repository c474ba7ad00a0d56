import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';

/** A handler that blocks until its events are released, and records them. */
export class HeldHandler {
  readonly got: unknown[] = [];
  most = 0;
  #running = 0;
  #isOpen = false;
  readonly #waiting: (() => void)[] = [];

  readonly handle = async ({ payload }: { readonly payload: unknown }): Promise<void> => {
    this.got.push(payload);
    this.most = Math.max(this.most, ++this.#running);
    if (!this.#isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running--;
  };

  /** Ends the oldest blocked call. */
  releaseOne(): void {
    this.#waiting.shift()?.();
  }

  /** Ends all blocked calls, and blocks no more. */
  open(): void {
    this.#isOpen = true;
    for (const release of this.#waiting.splice(0)) release();
  }
}

/** Gives an engine a logger that keeps its lines. */
export function captureLog(engine: Engine): { message: string; fields: unknown }[] {
  const lines: { message: string; fields: unknown }[] = [];
  const log = (message: string, fields?: unknown): void => void lines.push({ message, fields });
  const logger: Logger = { warn: log, error: log };
  const observer = { active: false, received: () => {}, failed: () => {}, missed: () => {} };
  engine.attach?.({
    name: 'memory',
    logger,
    source: 'test',
    observer,
    publishDeadLetter: (event) => engine.publish(event),
  });
  return lines;
}
