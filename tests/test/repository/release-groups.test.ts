import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../docs/blocks.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const config = JSON.parse(read('.changeset/config.json')) as { fixed: string[][]; linked: string[][] };
const published = readdirSync(join(root, 'packages'))
  .map((name) => JSON.parse(read(`packages/${name}/package.json`)) as { name: string; private?: boolean })
  .filter((manifest) => manifest.private !== true)
  .map(({ name }) => name);
const isIn = (name: string, group: readonly string[]): boolean =>
  group.some(
    (pattern) => name === pattern || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1))),
  );

test('each published package gets its version from exactly one group', () => {
  const groups = [...config.fixed, ...config.linked];
  const odd = published.filter((name) => groups.filter((group) => isIn(name, group)).length !== 1);
  expect(odd).toEqual([]);
});

test('the scaffold has the version of the packages on which its engines depend', () => {
  const together = config.fixed.find((group) => isIn('create-polybus-engine', group)) ?? [];
  expect(together).toEqual(expect.arrayContaining(['@polybus/core', '@polybus/conformance']));
});

test('changesets name only published packages', () => {
  const changesets = readdirSync(join(root, '.changeset')).filter((file) => file.endsWith('.md'));
  const unknown = changesets.flatMap((file) =>
    [...read(`.changeset/${file}`).matchAll(/^'([^']+)': (?:patch|minor|major)$/gm)]
      .map(([, name]) => name!)
      .filter((name) => !published.includes(name))
      .map((name) => `${file}: ${name}`),
  );
  expect(unknown).toEqual([]);
});
