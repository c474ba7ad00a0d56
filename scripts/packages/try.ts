// Packs every package that is published, installs each alone in an empty project outside the workspace, and tries it there.
// usage: npm run try:packages [-- PACKAGE… --write]
//   PACKAGE…  only these, such as @polybus/engine-redis; default: all, the example of an engine, and what create-polybus-engine
//             writes
//   --write   writes the sizes into the README's table; without it, the table has to be right
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Trial, tryAlone } from './alone.ts';
import { Brokers, brokersOf } from './brokers.ts';
import { tryBundled } from './bundled.ts';
import { tryNested } from './nested.ts';
import { type NodeBinary, nodeBinaries } from './nodes.ts';
import { type Packed, complaintsAboutFiles, pack } from './pack.ts';
import {
  type PublishedPackage,
  complaintsAbout,
  core,
  examplePackage,
  publishedPackages,
  root,
} from './published.ts';
import { run } from './run.ts';
import { scaffoldName, tryScaffold } from './scaffolded.ts';
import { type Footprint, complaintsAboutSizes, readReadme, sizesTable, writeSizes } from './sizes.ts';
import { Steps, assertNone } from './steps.ts';

const { values, positionals: chosen } = parseArgs({
  options: { write: { type: 'boolean' } },
  allowPositionals: true,
});
const steps = new Steps();
// Without symbolic links, because the URL of a module contains none.
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'polybus-packages-')));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
steps.end();

async function main(): Promise<void> {
  const published = publishedPackages().filter(isChosen);
  const tried = [...published, ...[examplePackage()].filter(isChosen)];
  const filters = tried.map(({ manifest }) => `--filter=${manifest.name}`);
  let nodes: NodeBinary[] = [];
  const isReady =
    (await steps.run('build', () =>
      run('npx', ['--no-install', 'turbo', 'run', 'build', ...filters], root),
    )) && (await steps.run('Node 20, 22, 24 and 26', async () => (nodes = await nodeBinaries())));
  if (!isReady) return;
  for (const one of published) {
    await steps.run(`${one.manifest.name}: package.json, README and licence`, () =>
      assertNone(complaintsAbout(one)),
    );
  }
  const packed: Packed[] = [];
  await steps.run('npm pack', async () => {
    for (const one of tried) packed.push(await pack(one, join(folder, 'tarballs')));
  });
  if (packed.length < tried.length) return;
  // The brokers start while the first packages are tried.
  const brokers = new Brokers(brokersOf(tried.map(({ manifest }) => manifest.name)));
  try {
    await tryPackages({ steps, all: packed, nodes, brokers, folder });
  } finally {
    await brokers.stop();
  }
}

async function tryPackages(trial: Trial): Promise<void> {
  const footprints: Footprint[] = [];
  for (const one of trial.all) {
    const { name } = one.manifest;
    await steps.run(`${name}: what is in the tarball`, () => assertNone(complaintsAboutFiles(one)));
    if (name !== scaffoldName) footprints.push(...(await tryAlone(trial, one)));
  }
  await tryNested(trial);
  await tryBundled(trial);
  console.log(`\n${sizesTable(footprints)}\n`);
  if (values.write === true) writeSizes(footprints);
  await steps.run('README.md: the table of sizes', () =>
    assertNone(complaintsAboutSizes(readReadme(), footprints)),
  );
  if (chosen.length === 0 || chosen.includes(scaffoldName))
    await tryScaffold(steps, trial.all, join(folder, 'scaffold'));
}

/** Adds the packages that are needed to try the selected packages: core for all, and the suite for a created engine. */
function isChosen({ manifest: { name } }: PublishedPackage): boolean {
  const needed = chosen.includes(scaffoldName) ? [core, '@polybus/conformance'] : [core];
  return chosen.length === 0 || [...chosen, ...needed].includes(name);
}
