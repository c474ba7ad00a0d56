import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Benchmark, benchmarks } from './harness/report.ts';

/** `npm run bench -- [memory redis …] [--record | --guard]`: runs the benchmarks one after the other, each in a process of its own. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { record: { type: 'boolean' }, guard: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => !benchmarks.includes(name as Benchmark));
if (unknown.length > 0) {
  console.error(`no benchmark "${unknown.join('", "')}"; there are ${benchmarks.join(', ')}`);
  process.exit(2);
}
const flags = Object.keys(values).map((name) => `--${name}`);
for (const name of positionals.length === 0 ? benchmarks : positionals) {
  console.log(`\n# ${name}\n`);
  const program = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const { status } = spawnSync(process.execPath, [program, ...flags], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
