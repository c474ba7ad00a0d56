import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Comparison, type ComparisonResult, compare, own, ratioOf } from './compare.ts';

/** The benchmarks, each with a program of its own. */
export const benchmarks = ['memory', 'redis', 'kafka', 'kinesis'] as const;

export type Benchmark = (typeof benchmarks)[number];

/** What one run of a benchmark measured, as it is recorded. */
export interface Report {
  readonly benchmark: Benchmark;
  readonly date: string;
  readonly node: string;
  readonly cores: number;
  /** Versions of the peers and of the broker, by their names. */
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly ComparisonResult[];
}

const root = new URL('../../../', import.meta.url);

/** `--guard` fails if the cost beside a peer is more than this times the recorded one: a doubled cost, with a margin for a busy machine. */
const guardFactor = 1.7;

/**
 * Runs the comparisons of a benchmark and prints their results. With `--record`, it also writes them to `docs/benchmarks/`, in a file for
 * each benchmark and major version of Node.js. With `--guard`, it runs only the comparisons that are guarded, and sets the exit code to 1
 * if polybus has become much slower beside a peer than it was when the results were recorded.
 *
 * @param peers - The packages whose versions are recorded.
 */
export async function runBenchmark(
  benchmark: Benchmark,
  peers: readonly string[],
  comparisons: readonly Comparison[],
  brokers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const versions = { ...brokers, ...Object.fromEntries(peers.map((name) => [name, versionOf(name)])) };
  const node = process.versions.node;
  const shown = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  console.log(`Node ${node}, ${cpus().length} cores, ${shown.join(', ')}; median [lowest..highest]`);
  const file = new URL(`docs/benchmarks/${benchmark}-node${node.split('.')[0]}.json`, root);
  if (process.argv.includes('--guard')) {
    if (existsSync(file)) await guard(comparisons, JSON.parse(readFileSync(file, 'utf8')) as Report);
    else console.log('nothing is compared, because no results are recorded for this version of Node.js');
    return;
  }
  const results: ComparisonResult[] = [];
  for (const comparison of comparisons) results.push(await compare(comparison));
  if (!process.argv.includes('--record')) return;
  const date = new Date().toISOString().slice(0, 10);
  const report: Report = { benchmark, date, node, cores: cpus().length, versions, results };
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log(`\nwrote ${fileURLToPath(file)}`);
}

async function guard(comparisons: readonly Comparison[], recorded: Report): Promise<void> {
  for (const comparison of comparisons.filter(({ isGuarded }) => isGuarded === true)) {
    const result = await compare({ ...comparison, rounds: 3 });
    const before = recorded.results.find(({ title }) => title === comparison.title);
    if (before === undefined) throw new Error(`"${comparison.title}" is not recorded; run with --record`);
    for (const { peer } of result.targets) {
      const [then, now] = [ratioOf(before, own, peer), ratioOf(result, own, peer)];
      if (now <= then * guardFactor) continue;
      const what = `the cost beside ${peer} was ×${then.toFixed(2)}, and is now ×${now.toFixed(2)}`;
      console.error(`\n${comparison.title}: ${what}`);
      process.exitCode = 1;
    }
  }
}

/** Returns the version of an installed package, which may not export its `package.json`. */
function versionOf(name: string): string {
  for (const folder of ['benchmarks/node_modules/', 'node_modules/']) {
    const file = new URL(`${folder}${name}/package.json`, root);
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  throw new Error(`the package ${name} is not installed; run npm ci`);
}
