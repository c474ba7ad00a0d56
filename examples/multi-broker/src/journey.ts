/** The way that each order takes: which of its events was seen, and on which engine. */
export class Journeys {
  readonly #steps = new Map<string, Step[]>();
  readonly #expected: number;
  readonly #all: PromiseWithResolvers;

  /**
   * @param orders - How many orders are under way.
   * @param steps - How many events each of them makes.
   */
  constructor(orders: number, steps: number) {
    this.#expected = orders * steps;
    this.#all = withResolvers();
  }

  saw(orderId: string, { id, topic }: { readonly id: string; readonly topic: string }, engine: string): void {
    const steps = this.#steps.get(orderId) ?? [];
    this.#steps.set(orderId, [...steps, { id, text: `${topic} (${engine})` }]);
    const seen = [...this.#steps.values()].reduce((sum, { length }) => sum + length, 0);
    if (seen === this.#expected) this.#all.resolve();
  }

  /** Resolves when every event of every order was seen. */
  get complete(): Promise<void> {
    return this.#all.promise;
  }

  /** A line an order. Brokers differ in speed, but the ids of events rise in the order in which they were published. */
  lines(): string[] {
    return [...this.#steps].map(([orderId, steps]) => {
      const inOrder = steps.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      return `${orderId}: ${inOrder.map(({ text }) => text).join(' → ')}`;
    });
  }
}

interface Step {
  readonly id: string;
  readonly text: string;
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
