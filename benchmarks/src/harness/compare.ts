/** Runs the contenders of one comparison in turns, so that other work of the machine affects all of them alike. */

/** `events/s`: more is better. `ns`: CPU time per event, garbage collection included; `µs`, `ms` and `KB`: less is better. */
export type Unit = 'events/s' | 'ns' | 'µs' | 'ms' | 'KB';

/** Sets a contender up and measures it once, or measures what was set up before. */
export type Sample = () => Promise<number>;

/** What polybus is to reach beside a peer: at least this ratio of its throughput, or at most this ratio of its cost. */
export interface Target {
  readonly peer: string;
  readonly ratio: number;
  /** The contender whose target it is. Default: `polybus`. */
  readonly of?: string;
}

export interface Comparison {
  readonly title: string;
  readonly unit: Unit;
  readonly contenders: Readonly<Record<string, Sample>>;
  readonly targets?: readonly Target[];
  /** Measured rounds, after one round of warm-up. Default: 5. */
  readonly rounds?: number;
  /** True if `--guard` compares the ratios of the targets with the recorded ones. Its unit is a cost. */
  readonly isGuarded?: boolean;
}

export interface Measured {
  readonly name: string;
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

export interface ComparisonResult {
  readonly title: string;
  readonly unit: Unit;
  readonly measured: readonly Measured[];
  readonly targets: readonly Required<Target>[];
}

export const own = 'polybus';

export async function compare(comparison: Comparison): Promise<ComparisonResult> {
  const { title, unit, contenders, rounds = 5 } = comparison;
  const samples = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, sample] of Object.entries(contenders)) {
      const value = await sample();
      if (round > 0) samples.set(name, [...(samples.get(name) ?? []), value]);
    }
  }
  const measured = [...samples].map(([name, values]) => ({
    name,
    median: median(values),
    lowest: Math.min(...values),
    highest: Math.max(...values),
  }));
  const targets = (comparison.targets ?? []).map((target) => ({ of: own, ...target }));
  const result = { title, unit, measured, targets };
  print(result);
  return result;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** The median of a contender, divided by that of a peer. */
export function ratioOf({ measured }: ComparisonResult, of: string, peer: string): number {
  const find = (name: string): number => measured.find((one) => one.name === name)?.median ?? Number.NaN;
  return find(of) / find(peer);
}

export function isMet(result: ComparisonResult, { of, peer, ratio }: Required<Target>): boolean {
  const reached = ratioOf(result, of, peer);
  return result.unit === 'events/s' ? reached >= ratio : reached <= ratio;
}

function print(result: ComparisonResult): void {
  const { title, unit, measured, targets } = result;
  console.log(`\n${title}`);
  for (const { name, median: value, lowest, highest } of measured) {
    const range = `[${lowest.toFixed(0)}..${highest.toFixed(0)}]`;
    const ratio = name === own ? '' : `   polybus is ×${ratioOf(result, own, name).toFixed(2)} of it`;
    console.log(`  ${name.padEnd(36)} ${value.toFixed(0).padStart(8)} ${unit} ${range}${ratio}`);
  }
  for (const target of targets) {
    const { of, peer, ratio } = target;
    const bound = unit === 'events/s' ? 'at least' : 'at most';
    const reached = ratioOf(result, of, peer).toFixed(2);
    console.log(
      `  ${isMet(result, target) ? 'met   ' : 'MISSED'} ${of} is to be ${bound} ×${ratio.toFixed(2)} of ${peer}: ×${reached}`,
    );
  }
}
