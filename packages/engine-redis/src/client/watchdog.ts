import type { Redis } from 'ioredis';

/** How a watchdog goes about it. */
export interface WatchdogOptions {
  readonly everyMs: number;
  /** Whether the server is asked to say something; otherwise only connections that are being made are looked at. */
  readonly canAsk: boolean;
  /** Nothing came from the server since the last look, though it owed something. */
  readonly onSilent: (client: Redis) => void;
  /** @param since - When the server was asked for what it has answered, by `performance.now()`. */
  readonly onAnswer: (since: number) => void;
}

/**
 * Finds connections that are open on our side alone, and servers that hang: nothing else would, for a connection that only
 * listens, or is in its handshake. Whatever comes counts as a sign of life, so that a reader who is behind is not cut off.
 */
export class Watchdog {
  readonly #clients: () => readonly Redis[];
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;
  /** Where something was owed at the last look, and how much had come by then. */
  #owed = new Map<Redis['stream'], number>();

  constructor(clients: () => readonly Redis[], options: WatchdogOptions) {
    this.#clients = clients;
    this.#options = options;
    // Not before what has arrived is read: a process that was busy for long would take its own silence for the server's.
    this.#timer = setInterval(() => setImmediate(() => this.#look()), options.everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#owed.clear();
  }

  #look(): void {
    const owed = new Map<Redis['stream'], number>();
    for (const client of this.#clients()) {
      const { stream, status } = client;
      const isAsked = this.#options.canAsk && status === 'ready';
      if (!stream || !(isAsked || status === 'connect')) continue;
      if (this.#owed.get(stream) === stream.bytesRead) {
        this.#options.onSilent(client);
        continue;
      }
      owed.set(stream, stream.bytesRead);
      if (isAsked) this.#ask(client);
    }
    this.#owed = owed;
  }

  #ask(client: Redis): void {
    const since = performance.now();
    client.ping().then(
      () => this.#options.onAnswer(since),
      () => {},
    );
  }
}
