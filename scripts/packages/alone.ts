import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Brokers } from './brokers.ts';
import type { NodeBinary } from './nodes.ts';
import type { Packed } from './pack.ts';
import { type Project, installAlone } from './project.ts';
import {
  type PublishedPackage,
  core,
  entryPoints,
  examplePackage,
  isEngine,
  optionalPeers,
  publishedPackages,
} from './published.ts';
import { run } from './run.ts';
import type { Footprint } from './sizes.ts';
import { type Steps, assertNone } from './steps.ts';
import { checkTypes } from './types.ts';

/** The engine types whose packages a bus knows, with their packages. */
const packageOf: Readonly<Record<string, string>> = {
  memory: '@polybus/engine-memory',
  'durable-memory': '@polybus/engine-memory',
  redis: '@polybus/engine-redis',
  kafka: '@polybus/engine-kafka',
  kinesis: '@polybus/engine-kinesis',
};
/** Engine types that a bus finds only by the name of their package. */
const typesOfOthers: Readonly<Record<string, readonly string[]>> = {
  [examplePackage().manifest.name]: ['custom'],
};
const programs = ['entry-points.cjs', 'publish-and-receive.mjs', 'find-by-type.mjs'];

/** The environment in which packages are tried. */
export interface Trial {
  readonly steps: Steps;
  readonly all: readonly Packed[];
  readonly nodes: readonly NodeBinary[];
  readonly brokers: Brokers;
  /** The folder of the projects. */
  readonly folder: string;
}

/**
 * Installs one package with core in an empty project, and tries it there.
 *
 * @returns the installed size, if users compare packages of this kind by size.
 */
export async function tryAlone(trial: Trial, one: Packed): Promise<Footprint[]> {
  const { steps, all, nodes, folder } = trial;
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
  // Other entry points of a package may need a peer that is not installed here.
  const entries = entriesOf(names, all).filter((entry) => entry === name || entry.startsWith(core));
  await tryTypes(steps, name, cwd, entries);
  for (const { major, path } of nodes) {
    await steps.run(`${name}: Node ${major}: import, require, engines by their type`, async () => {
      await run(path, ['entry-points.cjs', ...entries], cwd);
      await findByType(name, path, cwd);
    });
  }
  for (const type of typesIn(name)) await tryEngine(trial, name, type, cwd);
  await tryWithPeers(trial, one, `${place}-and-peers`);
  return name === core || isEngine(name) ? [{ names, packages: installed.size, bytes }] : [];
}

/** Tries every entry point, with all optional peers of the package installed. */
async function tryWithPeers(
  { steps, all, nodes }: Trial,
  { manifest }: Packed,
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

/** Checks that a bus finds installed engines by their type, and that the error for other types names their packages. */
async function findByType(name: string, node: string, cwd: string): Promise<void> {
  const others = Object.entries(packageOf).filter(([, owner]) => owner !== name);
  const missing = others.map(([type, owner]) => `${type}=${owner}`);
  await run(node, ['find-by-type.mjs', typesIn(name).join(','), missing.join(',')], cwd);
}

/** Checks that an installed engine publishes and receives, over a real broker if it needs one. */
async function tryEngine({ steps, nodes, brokers }: Trial, name: string, type: string, cwd: string) {
  await steps.run(`${name}: ${type} publishes and receives`, async () => {
    for (const config of await brokers.configsFor(type)) {
      for (const { path } of nodes)
        await run(path, ['publish-and-receive.mjs', type, JSON.stringify(config)], cwd);
    }
  });
}

function typesIn(name: string): readonly string[] {
  const ours = Object.entries(packageOf).filter(([, owner]) => owner === name);
  return typesOfOthers[name] ?? ours.map(([type]) => type);
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

/** Returns installed packages that only other engines or tests need, by the dependencies of those engines. */
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
