import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** The fields of a `package.json` that these scripts read. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly type?: string;
  readonly engines?: Readonly<Record<string, string>>;
  readonly keywords?: readonly string[];
  readonly files?: readonly string[];
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly publishConfig?: Readonly<Record<string, unknown>>;
  readonly repository?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** A package of this repository that is published. */
export interface PublishedPackage {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Every workspace in `packages` that is not private. */
export function publishedPackages(top: string = root): PublishedPackage[] {
  return readdirSync(join(top, 'packages'))
    .map((name) => join(top, 'packages', name))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => manifest.private !== true);
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Rewrites a `package.json`. Other fields stay unchanged. */
export function editManifest(folder: string, edit: (manifest: Manifest) => Manifest): void {
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify(edit(readManifest(folder)), undefined, 2)}\n`,
  );
}

/** The example of a third-party engine. It is not published, but packed and tried like the published packages. */
export function examplePackage(): PublishedPackage {
  const folder = join(root, 'examples/custom-engine');
  return { folder, manifest: readManifest(folder) };
}

/** The package on which all other packages depend. */
export const core = '@polybus/core';

export const isEngine = (name: string): boolean => name.startsWith('@polybus/engine-');

/** The entry points of a package, such as `@polybus/core` and `@polybus/core/engine-kit`. */
export function entryPoints({ name, exports = {} }: Manifest): string[] {
  return Object.entries(exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([path]) => join(name, path).replaceAll('\\', '/'));
}

/** The optional peers of a package: names and versions. */
export function optionalPeers({
  peerDependencies = {},
  peerDependenciesMeta = {},
}: Manifest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(peerDependencies).filter(([name]) => peerDependenciesMeta[name]?.optional === true),
  );
}

/** Returns what is missing in a package before it can be published. */
export function complaintsAbout({ folder, manifest }: PublishedPackage): string[] {
  const { name, dependencies = {}, peerDependencies = {} } = manifest;
  const expectations: readonly [isMet: boolean, complaint: string][] = [
    [(manifest.description ?? '').length > 20, 'has no description'],
    [manifest.license === 'MIT', 'has no licence'],
    [manifest.type === 'module', 'is not ESM'],
    [manifest.engines?.['node'] === '>=20.19', 'does not say that it needs Node >=20.19'],
    [(manifest.keywords?.length ?? 0) >= 4, 'has fewer than four keywords'],
    [manifest.keywords?.includes('event-bus') === true, 'lacks the keyword "event-bus"'],
    [
      !isEngine(name) || manifest.keywords?.includes('polybus-engine') === true,
      'lacks the keyword "polybus-engine"',
    ],
    [manifest.files?.includes('dist') === true, 'has no `files`, or no dist in it'],
    [manifest.publishConfig?.['access'] === 'public', 'would not be published publicly'],
    [manifest.publishConfig?.['provenance'] === true, 'would be published without provenance'],
    [existsSync(join(folder, 'README.md')), 'has no README.md'],
    [existsSync(join(folder, 'LICENSE')), 'has no LICENSE'],
    [!(core in dependencies), 'brings a core of its own: core has to be a peer'],
    [!isEngine(name) || core in peerDependencies, 'does not have core as a peer'],
    [
      !isEngine(name) || !Object.keys({ ...dependencies, ...peerDependencies }).some(isEngine),
      'needs another engine',
    ],
  ];
  return expectations.flatMap(([isMet, complaint]) => (isMet ? [] : [`${name} ${complaint}`]));
}
