/** A handler that records the numbers it receives, and each violation of the order per key. */
export class Seen {
  readonly numbers: number[] = [];
  readonly disorder: string[] = [];
  readonly #last = new Map<string, number>();
  readonly #busy = new Set<string>();

  readonly handler = async ({
    payload,
    key = '',
  }: {
    readonly payload: number;
    readonly key?: string | undefined;
  }): Promise<void> => {
    if (this.#busy.has(key)) this.disorder.push(`${key}: ${String(payload)} began while another was handled`);
    const last = this.#last.get(key) ?? -1;
    // A second delivery of a number is no violation, because delivery is at least once.
    if (payload < last && !this.numbers.includes(payload)) {
      this.disorder.push(`${key}: ${String(payload)} after ${String(last)}`);
    }
    this.#busy.add(key);
    this.#last.set(key, payload);
    this.numbers.push(payload);
    await new Promise((resolve) => setImmediate(resolve));
    this.#busy.delete(key);
  };

  hasAll(numbers: readonly number[]): boolean {
    const seen = new Set(this.numbers);
    return numbers.every((n) => seen.has(n));
  }
}
