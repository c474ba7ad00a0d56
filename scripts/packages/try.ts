// Packs every package that is published, installs each alone in an empty project outside the workspace, and tries it there.
// usage: npm run try:packages [-- PACKAGE… --write]
//   PACKAGE…  only these, such as @polybus/engine-redis; default: all, and what create-polybus-engine writes
//   --write   the sizes, into the README's table
import { copyFileSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type NodeBinary, nodeBinaries } from './nodes.ts';
import { type Packed, complaintsAboutFiles, pack } from './pack.ts';
import { type Project, installAlone } from './project.ts';
import {
  type PublishedPackage,
  complaintsAbout,
  entryPoints,
  isEngine,
  publishedPackages,
  root,
} from './published.ts';
import { run } from './run.ts';
import { scaffoldName, tryScaffold } from './scaffolded.ts';
import { type Footprint, sizesTable, writeSizes } from './sizes.ts';
import { Steps, assertNone } from './steps.ts';
import { checkTypes } from './types.ts';

const core = '@polybus/core';
/** The types that a bus knows to have a package, and which. */
const publishedTypes: Readonly<Record<string, string>> = {
  memory: '@polybus/engine-memory',
  'durable-memory': '@polybus/engine-memory',
  redis: '@polybus/engine-redis',
  kafka: '@polybus/engine-kafka',
  kinesis: '@polybus/engine-kinesis',
};
const inProcess = ['memory', 'durable-memory'];
const programs = ['entry-points.cjs', 'publish-and-receive.mjs', 'find-by-type.mjs'];

const { values, positionals: chosen } = parseArgs({
  options: { write: { type: 'boolean' } },
  allowPositionals: true,
});
const steps = new Steps();
// Without symbolic links, which a module's address would not have.
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'polybus-packages-')));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
steps.end();

async function main(): Promise<void> {
  const published = publishedPackages().filter(isChosen);
  const filters = published.map(({ manifest }) => `--filter=${manifest.name}`);
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
    for (const one of published) packed.push(await pack(one, join(folder, 'tarballs')));
  });
  if (packed.length < published.length) return;
  const footprints: Footprint[] = [];
  for (const one of packed) {
    const { name } = one.manifest;
    await steps.run(`${name}: what is in the tarball`, () => assertNone(complaintsAboutFiles(one)));
    if (name !== scaffoldName) footprints.push(...(await tryAlone(one, packed, nodes)));
  }
  console.log(`\n${sizesTable(footprints)}\n`);
  if (values.write === true) writeSizes(footprints);
  if (chosen.length === 0 || chosen.includes(scaffoldName))
    await tryScaffold(steps, packed, join(folder, 'scaffold'));
}

/** What a choice is tried with comes along: core for all, and the suite for what the scaffold writes. */
function isChosen({ manifest: { name } }: PublishedPackage): boolean {
  const needed = chosen.includes(scaffoldName) ? [core, '@polybus/conformance'] : [core];
  return chosen.length === 0 || [...chosen, ...needed].includes(name);
}

/** Installs one package beside core, and tries it; returns what came along. */
async function tryAlone(
  one: Packed,
  all: readonly Packed[],
  nodes: readonly NodeBinary[],
): Promise<Footprint[]> {
  const { name } = one.manifest;
  const names = [...new Set([core, name])];
  const entries = all
    .filter(({ manifest }) => names.includes(manifest.name))
    .flatMap(({ manifest }) => entryPoints(manifest));
  let project: Project | undefined;
  await steps.run(`${name}: installs alone, and brings nothing of other engines`, async () => {
    project = await installAlone(join(folder, name.replace(/\W+/g, '-')), names, all);
    for (const program of programs)
      copyFileSync(join(import.meta.dirname, 'programs', program), join(project.folder, program));
    assertNone(complaintsAboutTree(one, project));
  });
  if (project === undefined) return [];
  const { folder: cwd, installed, bytes } = project;
  for (const resolution of ['nodenext', 'bundler'] as const) {
    await steps.run(`${name}: strict types, ${resolution}`, () => checkTypes(cwd, entries, resolution));
  }
  const types = Object.keys(publishedTypes);
  const found = types.filter((type) => publishedTypes[type] === name);
  const missing = types
    .filter((type) => publishedTypes[type] !== name)
    .map((type) => `${type}=${publishedTypes[type]}`);
  for (const { major, path } of nodes) {
    await steps.run(`${name}: Node ${major}: import, require, engines by their type`, async () => {
      await run(path, ['entry-points.cjs', ...entries], cwd);
      await run(path, ['find-by-type.mjs', found.join(','), missing.join(',')], cwd);
      for (const type of found.filter((one) => inProcess.includes(one))) {
        await run(path, ['publish-and-receive.mjs', type], cwd);
      }
    });
  }
  const isChoice = name === core || isEngine(name);
  return isChoice ? [{ names, packages: installed.size, bytes }] : [];
}

/** What came along although it is of other engines, or for tests: their clients are known by what those engines ask for. */
function complaintsAboutTree({ manifest }: PublishedPackage, { installed }: Project): string[] {
  const all = publishedPackages().map((one) => one.manifest);
  const others = all.filter(({ name }) => name !== manifest.name && name !== core);
  const shared = Object.keys(all.find(({ name }) => name === core)!.dependencies ?? {});
  const peers = Object.keys(manifest.peerDependencies ?? {});
  const unwanted = new Set([
    'vitest',
    'typescript',
    '@polybus/testbed',
    ...others.map(({ name }) => name),
    ...others
      .filter(({ name }) => isEngine(name))
      .flatMap(({ dependencies = {} }) => Object.keys(dependencies)),
  ]);
  for (const name of [...shared, ...peers]) unwanted.delete(name);
  return [...installed].filter((name) => unwanted.has(name)).map((name) => `${manifest.name} brings ${name}`);
}
