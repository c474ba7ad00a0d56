import type { Connections, Library } from '../protocol/broker.ts';
import { Codecs } from './codecs.ts';
import type { ConnectionOptions } from './connection.ts';
import { PlatformaticConnections } from './connections.ts';
import type { Package } from './package.ts';

/** Connections of `@platformatic/kafka`. */
export class PlatformaticLibrary implements Library {
  readonly #package: Package;
  readonly #codecs: Codecs;
  readonly #brokers: readonly string[];
  readonly #options: ConnectionOptions;
  readonly #requestMs: number;
  readonly #open = new Set<PlatformaticConnections>();
  #isClosed = false;

  /** @param requestMs - How long any answer may take at most, in milliseconds, except that of a rebalance. */
  constructor(from: Package, brokers: readonly string[], options: ConnectionOptions, requestMs: number) {
    this.#package = from;
    this.#codecs = new Codecs(from);
    this.#brokers = brokers;
    this.#options = options;
    this.#requestMs = requestMs;
  }

  connections(_name: string, answerMs: number): Connections {
    const opened = new PlatformaticConnections(
      this.#package,
      this.#codecs,
      this.#brokers,
      this.#options,
      Math.min(answerMs, this.#requestMs),
      () => this.#open.delete(opened),
    );
    this.#open.add(opened);
    if (this.#isClosed) void opened.close();
    return opened;
  }

  close(): void {
    this.#isClosed = true;
    for (const one of this.#open) void one.close();
  }
}
