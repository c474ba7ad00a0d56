import { readFileSync, readdirSync } from 'node:fs';
import { join, normalize, relative, sep } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../docs/blocks.ts';

/** The folders of core, from the lowest to the highest. */
const layers: readonly (readonly string[])[] = [
  ['contract', 'errors', 'typed'],
  ['engine-kit', 'logging', 'cloudevents', 'dead-letters'],
  ['dispatch'],
  ['engine'],
  ['registry', 'routing'],
  ['config'],
  ['bus'],
  ['module'],
];

const source = join(root, 'packages/core/src');
const layerOf = (file: string): number =>
  layers.findIndex((folders) => folders.includes(relative(source, file).split(sep)[0]!));

test('a folder of core imports only from folders of its own layer and of lower layers', () => {
  const violations = files().flatMap((file) =>
    importsOf(file)
      .filter((imported) => layerOf(imported) > layerOf(file))
      .map((imported) => `${relative(source, file)} imports ${relative(source, imported)}`),
  );
  expect(violations).toEqual([]);
});

test('every folder of core has a layer', () => {
  expect(files().filter((file) => layerOf(file) === -1)).toEqual([]);
});

/** The files in the folders of core, without the entries, which export from any folder. */
function files(): string[] {
  return readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && entry.name !== 'index.ts')
    .map((entry) => join(entry.parentPath, entry.name));
}

function importsOf(file: string): string[] {
  const references = readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...references].map(([, path]) => normalize(join(file, '..', path!)));
}
