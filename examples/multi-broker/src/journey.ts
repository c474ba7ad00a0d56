/** The way that each order takes: which of its events was seen, and which engine brought it. */
export class Journeys {
  /** The topics of each order's events, by their ids: a broker that is at least once may bring one again. */
  readonly #orders = new Map<string, Map<string, string>>();
  /** The engines that brought an event, by its id. There should be one. */
  readonly #engines = new Map<string, Set<string>>();
  readonly #ours: ReadonlySet<string>;
  readonly #expected: number;
  readonly #all: PromiseWithResolvers;

  /**
   * @param orders - Those that are under way. Others share the brokers, and `*` sees their events too.
   * @param steps - How many events each of them makes.
   */
  constructor(orders: readonly string[], steps: number) {
    this.#ours = new Set(orders);
    this.#expected = orders.length * steps;
    this.#all = withResolvers();
  }

  /** An engine brings an event to a handler. */
  brought(eventId: string, engine: string): void {
    this.#engines.set(eventId, (this.#engines.get(eventId) ?? new Set<string>()).add(engine));
  }

  saw(orderId: string, { id, topic }: { readonly id: string; readonly topic: string }): void {
    if (!this.#ours.has(orderId)) return;
    const events = this.#orders.get(orderId) ?? new Map<string, string>();
    this.#orders.set(orderId, events.set(id, topic));
    const seen = [...this.#orders.values()].reduce((sum, { size }) => sum + size, 0);
    if (seen === this.#expected) this.#all.resolve();
  }

  /** Resolves when every event of every order was seen. */
  get complete(): Promise<void> {
    return this.#all.promise;
  }

  /** A line an order. Brokers differ in speed, but the ids of events rise in the order in which they were published. */
  lines(): string[] {
    return [...this.#orders].map(([orderId, events]) => {
      const inOrder = [...events].toSorted(([a], [b]) => (a < b ? -1 : 1));
      const steps = inOrder.map(
        ([id, topic]) => `${topic} (${[...(this.#engines.get(id) ?? [])].join(', ')})`,
      );
      return `${orderId}: ${steps.join(' → ')}`;
    });
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

// Promise.withResolvers came with Node.js 22.
function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
