import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeBinary } from './nodes.ts';
import type { Packed } from './pack.ts';
import { type Project, installAlone } from './project.ts';
import {
  type PublishedPackage,
  core,
  entryPoints,
  isEngine,
  optionalPeers,
  publishedPackages,
} from './published.ts';
import { run } from './run.ts';
import type { Footprint } from './sizes.ts';
import { type Steps, assertNone } from './steps.ts';
import { checkTypes } from './types.ts';

/** The types that a bus knows to have a package, and which. */
const packageOf: Readonly<Record<string, string>> = {
  memory: '@polybus/engine-memory',
  'durable-memory': '@polybus/engine-memory',
  redis: '@polybus/engine-redis',
  kafka: '@polybus/engine-kafka',
  kinesis: '@polybus/engine-kinesis',
};
const inProcess = ['memory', 'durable-memory'];
const programs = ['entry-points.cjs', 'publish-and-receive.mjs', 'find-by-type.mjs'];

/**
 * Installs one package in an empty project, beside core and nothing else, and tries it there.
 *
 * @returns what came along, where the package is one that users choose by that.
 */
export async function tryAlone(
  steps: Steps,
  one: Packed,
  all: readonly Packed[],
  nodes: readonly NodeBinary[],
  folder: string,
): Promise<Footprint[]> {
  const { name } = one.manifest;
  const names = [...new Set([core, name])];
  const place = join(folder, name.replaceAll(/\W+/g, '-'));
  let project: Project | undefined;
  await steps.run(`${name}: installs alone, and brings nothing of other engines`, async () => {
    project = await installAlone(place, names, all);
    copyPrograms(project);
    assertNone(complaintsAboutTree(one, project));
  });
  if (project === undefined) return [];
  const { folder: cwd, installed, bytes } = project;
  // Other entry points of a package may be for a peer that is not here.
  const entries = entriesOf(names, all).filter((entry) => entry === name || entry.startsWith(core));
  await tryTypes(steps, name, cwd, entries);
  for (const { major, path } of nodes) {
    await steps.run(`${name}: Node ${major}: import, require, engines by their type`, async () => {
      await run(path, ['entry-points.cjs', ...entries], cwd);
      await findByType(name, path, cwd);
    });
  }
  await tryWithPeers(steps, one, all, nodes, `${place}-and-peers`);
  return name === core || isEngine(name) ? [{ names, packages: installed.size, bytes }] : [];
}

/** Tries every entry point, with all that a package can work with beside it. */
async function tryWithPeers(
  steps: Steps,
  { manifest }: Packed,
  all: readonly Packed[],
  nodes: readonly NodeBinary[],
  place: string,
): Promise<void> {
  const peers = optionalPeers(manifest);
  if (Object.keys(peers).length === 0) return;
  const names = [...new Set([core, manifest.name])];
  const name = `${manifest.name} with ${Object.keys(peers).join(' and ')}`;
  let project: Project | undefined;
  await steps.run(`${name}: installs`, async () => {
    project = await installAlone(place, names, all, peers);
    copyPrograms(project);
  });
  if (project === undefined) return;
  const { folder: cwd } = project;
  const entries = entriesOf(names, all);
  await tryTypes(steps, name, cwd, entries);
  await steps.run(`${name}: import and require`, async () => {
    for (const { path } of nodes) await run(path, ['entry-points.cjs', ...entries], cwd);
  });
}

async function tryTypes(steps: Steps, name: string, cwd: string, entries: readonly string[]): Promise<void> {
  for (const resolution of ['nodenext', 'bundler'] as const) {
    await steps.run(`${name}: strict types, ${resolution}`, () => checkTypes(cwd, entries, resolution));
  }
}

/** Engines that are there are found by their type, and work where they need no broker; the others are asked for. */
async function findByType(name: string, node: string, cwd: string): Promise<void> {
  const types = Object.entries(packageOf);
  const found = types.filter(([, owner]) => owner === name).map(([type]) => type);
  const missing = types.filter(([, owner]) => owner !== name).map(([type, owner]) => `${type}=${owner}`);
  await run(node, ['find-by-type.mjs', found.join(','), missing.join(',')], cwd);
  for (const type of found.filter((one) => inProcess.includes(one))) {
    await run(node, ['publish-and-receive.mjs', type], cwd);
  }
}

function entriesOf(names: readonly string[], all: readonly Packed[]): string[] {
  return all
    .filter(({ manifest }) => names.includes(manifest.name))
    .flatMap((one) => entryPoints(one.manifest));
}

function copyPrograms({ folder }: Project): void {
  for (const program of programs) {
    copyFileSync(join(import.meta.dirname, 'programs', program), join(folder, program));
  }
}

/** What came along although it is of other engines, or for tests: their clients are known by what those engines ask for. */
function complaintsAboutTree({ manifest }: PublishedPackage, { installed }: Project): string[] {
  const all = publishedPackages().map((one) => one.manifest);
  const others = all.filter(({ name }) => name !== manifest.name && name !== core);
  const shared = Object.keys(all.find(({ name }) => name === core)!.dependencies ?? {});
  const optional = optionalPeers(manifest);
  const peers = Object.keys(manifest.peerDependencies ?? {}).filter((name) => !(name in optional));
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
