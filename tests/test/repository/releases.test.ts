import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  core,
  editManifest,
  isEngine,
  publishedPackages,
  readManifest,
} from '../../../scripts/packages/published.ts';
import { run } from '../../../scripts/packages/run.ts';
import { addressFrom, writeRepositories } from '../../../scripts/release/repository.ts';
import { root } from '../docs/blocks.ts';

/** This repository as far as releases are concerned, before its first one. */
let top: string;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'polybus-releases-'));
  const workspaces = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name)),
  );
  for (const folder of ['.', 'tests', 'benchmarks', ...workspaces]) {
    const file = join(top, folder, 'package.json');
    mkdirSync(dirname(file), { recursive: true });
    cpSync(join(root, folder, 'package.json'), file);
  }
  const packages = publishedPackages(top);
  for (const { folder, manifest } of packages) {
    const { [core]: peer, ...peers } = manifest.peerDependencies ?? {};
    const peerDependencies = peer === undefined ? peers : { ...peers, [core]: '>=0.0.0 <1' };
    editManifest(folder, () => ({ ...manifest, version: '0.0.0', peerDependencies }));
  }
  mkdirSync(join(top, '.changeset'));
  cpSync(join(root, '.changeset/config.json'), join(top, '.changeset/config.json'));
  change(...packages.map(({ manifest }) => `'${manifest.name}': minor`));
  symlinkSync(join(root, 'node_modules'), join(top, 'node_modules'), 'junction');
});

afterEach(() => {
  rmSync(top, { recursive: true, force: true });
});

const manifestOf = (name: string) => readManifest(join(top, 'packages', name));
const raise = (): Promise<string> =>
  run(process.execPath, ['--import', 'tsx', join(root, 'scripts/release/version.ts'), top], root);

function change(...bumps: readonly string[]): void {
  writeFileSync(join(top, '.changeset/a-change.md'), `---\n${bumps.join('\n')}\n---\n\nA change.\n`);
}

describe('versions', () => {
  test('the first release is 0.1.0 of all packages, and requires no older core', async () => {
    await raise();
    const versions = publishedPackages(top).map(({ manifest }) => `${manifest.name} ${manifest.version}`);
    expect(versions.filter((one) => !one.endsWith(' 0.1.0'))).toEqual([]);
    const peers = publishedPackages(top).flatMap(({ manifest }) => manifest.peerDependencies?.[core] ?? []);
    expect(new Set(peers)).toEqual(new Set(['>=0.1.0 <1']));
  });

  test('a later release requires the core that it was tested with; other packages stay unchanged', async () => {
    await raise();
    change(`'${core}': minor`, `'@polybus/engine-kafka': patch`);
    await raise();
    expect(manifestOf('core').version).toBe('0.2.0');
    expect(manifestOf('engine-kafka')).toMatchObject({
      version: '0.1.1',
      peerDependencies: { [core]: '>=0.2.0 <1' },
    });
    expect(manifestOf('conformance')).toMatchObject({
      version: '0.2.0',
      peerDependencies: { [core]: '>=0.2.0 <1', vitest: '>=4' },
    });
    expect(manifestOf('engine-redis')).toMatchObject({
      version: '0.1.0',
      peerDependencies: { [core]: '>=0.1.0 <1' },
    });
  });

  test('core 1.0 also releases the engines, because their ranges exclude it', async () => {
    await raise();
    change(`'${core}': major`);
    await raise();
    expect(manifestOf('core').version).toBe('1.0.0');
    const engines = publishedPackages(top).filter(({ manifest }) => isEngine(manifest.name));
    expect(engines.length).toBeGreaterThan(3);
    for (const { manifest } of engines)
      expect(manifest).toMatchObject({ version: '1.0.0', peerDependencies: { [core]: '^1.0.0' } });
  });
});

describe('the repository of a package', () => {
  const env = { GITHUB_SERVER_URL: 'https://git.example.org', GITHUB_REPOSITORY: 'acme/polybus' };

  test('is written into each published package, without other changes', () => {
    const before = new Map(publishedPackages(top).map(({ folder, manifest }) => [folder, manifest]));
    writeRepositories(top, addressFrom(env));
    for (const [folder, manifest] of before) {
      const directory = relative(top, folder).replaceAll('\\', '/');
      const url = 'git+https://git.example.org/acme/polybus.git';
      expect(readManifest(folder)).toEqual({ ...manifest, repository: { type: 'git', url, directory } });
    }
    expect(readManifest(join(top, 'packages/testbed')).repository).toBeUndefined();
  });

  test.each(Object.keys(env))('is not guessed without %s', (name) => {
    expect(() => addressFrom({ ...env, [name]: '' })).toThrow(/are not set.*release\.yml/);
  });

  test('is written directly before publishing, after every step that can fail', () => {
    const { scripts } = readManifest(root) as unknown as { scripts: Record<string, string> };
    expect(scripts['release:publish']).toMatch(
      /build.* && tsx scripts\/release\/write-repositories\.ts && changeset publish$/,
    );
  });
});
