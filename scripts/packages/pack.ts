import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PublishedPackage } from './published.ts';
import { run } from './run.ts';

/** The result of `npm pack` for a package. */
export interface Packed extends PublishedPackage {
  /** The tarball. */
  readonly tarball: string;
  readonly files: readonly string[];
}

/** Packs a package as it would be published. Its `dist` has to exist. */
export async function pack(one: PublishedPackage, into: string): Promise<Packed> {
  mkdirSync(into, { recursive: true });
  const json = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', into],
    one.folder,
  );
  const parsed = JSON.parse(json) as PackResult[] | Record<string, PackResult>;
  // npm up to version 11 returns a list; later versions return an object by name.
  const [result] = Object.values(parsed);
  if (result === undefined) throw new Error(`npm pack said nothing about ${one.manifest.name}`);
  return { ...one, tarball: join(into, result.filename), files: result.files.map(({ path }) => path) };
}

interface PackResult {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** Returns files that should not be in a tarball, and files that are missing. */
export function complaintsAboutFiles({ manifest, files }: Packed): string[] {
  const { name } = manifest;
  const needed = [
    'package.json',
    'README.md',
    'LICENSE',
    ...targets(manifest.exports),
    ...Object.values(manifest.bin ?? {}),
  ];
  const missing = needed.filter((path) => !files.includes(path.replace(/^\.\//, '')));
  const odd = files.filter((path) =>
    /(^|\/)test\/.*\.test\.|\.tsbuildinfo$|^vitest\.config|^tsconfig/.test(path),
  );
  const surplus = odd.filter((path) => !path.startsWith('templates/'));
  return [
    ...missing.map((path) => `${name}: ${path} is not in the tarball`),
    ...surplus.map((path) => `${name}: ${path} should not be in the tarball`),
  ];
}

/** The files that `exports` names, for all conditions. */
function targets(exports: unknown): string[] {
  if (typeof exports === 'string') return [exports];
  if (typeof exports !== 'object' || exports === null) return [];
  return Object.values(exports).flatMap(targets);
}
