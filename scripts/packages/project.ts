import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Packed } from './pack.ts';
import { run } from './run.ts';

/** The project of a user who installs our packages: a folder outside the workspace. */
export interface Project {
  readonly folder: string;
  /** The names of every package in its tree. */
  readonly installed: ReadonlySet<string>;
  readonly bytes: number;
}

/** Writes `overrides` that replace each of our packages by its tarball, in all dependencies. */
export function overridesOf(all: readonly Packed[]): Record<string, string> {
  return Object.fromEntries(all.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]));
}

/** Creates an empty project, and installs our packages and other packages in it. */
export async function installAlone(
  folder: string,
  names: readonly string[],
  all: readonly Packed[],
  others: Readonly<Record<string, string>> = {},
): Promise<Project> {
  const overrides = overridesOf(all);
  const ours = Object.fromEntries(names.map((name) => [name, overrides[name]!]));
  const dependencies = { ...ours, ...others };
  mkdirSync(folder, { recursive: true });
  const manifest = { name: 'somebody', private: true, type: 'module', dependencies, overrides };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, undefined, 2));
  await npmInstall(folder);
  return {
    folder,
    installed: new Set(namesIn(JSON.parse(await run('npm', ['ls', '--all', '--json'], folder)) as Tree)),
    bytes: bytesBelow(join(folder, 'node_modules')),
  };
}

export async function npmInstall(folder: string): Promise<void> {
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], folder);
}

interface Tree {
  readonly dependencies?: Readonly<Record<string, Tree>>;
  /** Undefined for an optional peer that is not installed. */
  readonly version?: string;
}

function namesIn({ dependencies = {} }: Tree): string[] {
  return Object.entries(dependencies).flatMap(([name, one]) =>
    one.version === undefined ? [] : [name, ...namesIn(one)],
  );
}

function bytesBelow(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return files
    .filter((file) => file.name !== '.package-lock.json')
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

/** Returns a field of an installed package's manifest. */
export function installedManifest(folder: string, name: string): { version: string } {
  return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as {
    version: string;
  };
}
