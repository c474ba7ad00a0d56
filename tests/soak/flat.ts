/** What a soak measures, at one time. */
export interface Sample {
  /** Of the heap after a forced garbage collection, in bytes. */
  readonly heap: number;
  /** What keeps the process alive, by kind: `Timeout`, `TCPSocketWrap`. Timers without a reference are not among them. */
  readonly resources: Readonly<Partial<Record<string, number>>>;
  readonly pending: number;
  /** On the broker; 0 if it has none. */
  readonly groups: number;
}

/** Both halves, after the warm-up. */
export interface Halves {
  /** The lowest of each half. */
  readonly heap: readonly [first: number, second: number];
  /** Of these, the highest of the first half and the lowest of the second. */
  readonly resources: Readonly<Record<string, readonly [first: number, second: number]>>;
  readonly pending: readonly [first: number, second: number];
  readonly groups: readonly [first: number, second: number];
}

/** Code that is compiled late and caches that fill up; a leak of 100 bytes per event is above it after 20,000 events. */
export const heapNoise = 2 * 2 ** 20;
/** The part of the samples that is the warm-up. */
const warmUp = 0.2;
/** With fewer samples in a half, its lowest value says little. */
const leastPerHalf = 3;

/**
 * Compares values that neither a burst nor a slow machine changes, because they raise single samples and a leak raises them all. A
 * count grew if every sample of the second half is above every sample of the first.
 *
 * @throws Error if there are too few samples
 */
export function halvesOf(samples: readonly Sample[]): Halves {
  const warm = samples.slice(Math.ceil(samples.length * warmUp));
  const middle = Math.floor(warm.length / 2);
  const [first, second] = [warm.slice(0, middle), warm.slice(middle)];
  if (first.length < leastPerHalf) throw new Error(`${samples.length} samples are too few: run it longer`);
  const lowest = (half: readonly Sample[], of: (sample: Sample) => number): number =>
    Math.min(...half.map(of));
  const counts = (of: (sample: Sample) => number): [number, number] => [
    Math.max(...first.map(of)),
    lowest(second, of),
  ];
  const kinds = [...new Set(warm.flatMap(({ resources }) => Object.keys(resources)))].sort();
  return {
    heap: [lowest(first, ({ heap }) => heap), lowest(second, ({ heap }) => heap)],
    resources: Object.fromEntries(kinds.map((kind) => [kind, counts((one) => one.resources[kind] ?? 0)])),
    pending: counts(({ pending }) => pending),
    groups: counts(({ groups }) => groups),
  };
}

/** What grew. `rate` events per second may be on their way at any time. Empty if everything was flat. */
export function growth({ heap, resources, pending, groups }: Halves, rate: number): string[] {
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  const grown: string[] = [];
  if (heap[1] > heap[0] + heapNoise) grown.push(`heap from ${mib(heap[0])} to ${mib(heap[1])} MiB`);
  for (const [kind, [first, second]] of Object.entries(resources))
    if (second > first) grown.push(`${kind} from ${first} to ${second}`);
  if (pending[1] > pending[0] + rate) grown.push(`pending deliveries from ${pending[0]} to ${pending[1]}`);
  if (groups[1] > groups[0]) grown.push(`consumer groups from ${groups[0]} to ${groups[1]}`);
  return grown;
}
