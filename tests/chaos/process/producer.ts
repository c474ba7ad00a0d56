import type { LedgerWriter } from '../ledger/ledger-file.ts';
import { Random } from '../schedule/random.ts';
import type { Bus } from './make-bus.ts';
import type { Settings } from './settings.ts';

const tickMs = 25;
const keyCount = 8;
/** While so many publishes wait, no further ones are made: a broker that is away must not fill the memory. */
const maxPending = 200;

/** Publishes events at a steady rate, and writes each before and after. */
export class Producer {
  readonly #bus: Bus;
  readonly #settings: Settings;
  readonly #ledger: LedgerWriter;
  readonly #random: Random;
  readonly #nextSeq = new Map<string | undefined, number>();
  readonly #pending = new Set<Promise<void>>();
  #count = 0;
  #due = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(bus: Bus, settings: Settings, ledger: LedgerWriter) {
    this.#bus = bus;
    this.#settings = settings;
    this.#ledger = ledger;
    this.#random = new Random(settings.seed);
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#due += (this.#settings.rate * tickMs) / 1000;
      for (; this.#due >= 1 && this.#pending.size < maxPending; this.#due--) this.#publish();
      this.#due %= 1;
    }, tickMs);
  }

  /** Publishes no more, and resolves when every publish has settled. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
  }

  #publish(): void {
    const { name, topics } = this.#settings;
    const id = `${name}-${this.#count++}`;
    // One event in sixteen has no key.
    const number = this.#random.between(0, keyCount * 2 - 1) % (keyCount + 1);
    const key = number === keyCount ? undefined : `${name}-k${number}`;
    const seq = this.#nextSeq.get(key) ?? 0;
    this.#nextSeq.set(key, seq + 1);
    // Order holds per topic and key, so a key stays with its topic.
    const topic = topics[number % topics.length]!;
    const named = key === undefined ? {} : { key };
    this.#ledger.write({ is: 'publish', id, ...named, seq });
    const publish = this.#bus.publish({ topic, id, payload: { seq }, ...named }).then(
      () => this.#ledger.write({ is: 'accepted', id }),
      (error: { code?: string; message?: string }) =>
        this.#ledger.write({ is: 'rejected', id, code: String(error.code), why: String(error.message) }),
    );
    this.#pending.add(publish);
    void publish.finally(() => this.#pending.delete(publish));
  }
}
