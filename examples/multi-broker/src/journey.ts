/** Records the journey of each order: which of its events arrived, and which engine delivered them. */
export class Journeys {
  /** The topics of each order's events by event id, because an at-least-once broker can deliver an event twice. */
  readonly #orders = new Map<string, Map<string, string>>();
  /** The engines that delivered an event, by event id. There should be one engine. */
  readonly #engines = new Map<string, Set<string>>();
  readonly #ours: ReadonlySet<string>;
  readonly #expected: number;
  readonly #all: PromiseWithResolvers;

  /**
   * @param orders - The ids of the orders. Other programs share the brokers, and `*` also gets their events.
   * @param steps - The number of events of each order.
   */
  constructor(orders: readonly string[], steps: number) {
    this.#ours = new Set(orders);
    this.#expected = orders.length * steps;
    this.#all = withResolvers();
  }

  /** Records that an engine delivered an event to a handler. */
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

  /** Resolves when every event of every order has arrived. */
  get complete(): Promise<void> {
    return this.#all.promise;
  }

  /** One line per order. The ids of events are ascending in the order of publishing, although brokers differ in speed. */
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
