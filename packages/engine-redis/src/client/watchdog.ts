import type { Redis } from 'ioredis';

/** Options of a watchdog. */
export interface WatchdogOptions {
  readonly everyMs: number;
  /** Sends a command that the server answers at once. Undefined: only connections that are being opened are checked. */
  readonly ask: ((client: Redis) => Promise<unknown>) | undefined;
  /** Nothing came from the server since the last check, although it due an answer. */
  readonly onSilent: (client: Redis) => void;
  /** @param since - When the command was sent that the server has answered, by `performance.now()`. */
  readonly onAnswer: (since: number) => void;
}

/**
 * Finds connections that are open only on this side, and servers that hang. Nothing else would find them for a connection that only
 * listens or is in its handshake. Any data counts as a sign of life, so that a reader that is behind is not cut off.
 */
export class Watchdog {
  readonly #clients: () => readonly Redis[];
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;
  /** Streams on which an answer was due at the last check, each with the number of bytes that had come by then. */
  #due = new Map<Redis['stream'], number>();

  constructor(clients: () => readonly Redis[], options: WatchdogOptions) {
    this.#clients = clients;
    this.#options = options;
    this.#check();
    // After data that has arrived is read: otherwise a process that was busy for long would take the server for silent.
    this.#timer = setInterval(() => setImmediate(() => this.#check()), options.everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#due.clear();
  }

  #check(): void {
    const due = new Map<Redis['stream'], number>();
    for (const client of this.#clients()) {
      const { stream, status } = client;
      const isAsked = this.#options.ask !== undefined && status === 'ready';
      if (!stream || !(isAsked || status === 'connect')) continue;
      if (this.#due.get(stream) === stream.bytesRead) {
        this.#options.onSilent(client);
        continue;
      }
      due.set(stream, stream.bytesRead);
      if (isAsked) this.#ask(client);
    }
    this.#due = due;
  }

  #ask(client: Redis): void {
    const since = performance.now();
    this.#options.ask?.(client).then(
      () => this.#options.onAnswer(since),
      () => {},
    );
  }
}
