import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './published.ts';

const begin = '<!-- The table below is generated: npm run try:packages -- --write -->';
const end = '<!-- End of the generated table. -->';

/** What comes with a choice of packages. */
export interface Footprint {
  readonly names: readonly string[];
  readonly packages: number;
  readonly bytes: number;
}

/** Writes the README's table of sizes, if it has a place for one. */
export function writeSizes(footprints: readonly Footprint[]): void {
  const file = join(root, 'README.md');
  const readme = readFileSync(file, 'utf8');
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error('README.md has lost the marks around its table of sizes');
  writeFileSync(file, `${before}${begin}\n\n${ignored(sizesTable(footprints))}\n\n${end}${after}`);
}

const ignored = (table: string): string =>
  `<!-- prettier-ignore-start -->\n\n${table}\n\n<!-- prettier-ignore-end -->`;

export function sizesTable(footprints: readonly Footprint[]): string {
  const rows = footprints.map(
    ({ names, packages, bytes }) =>
      `| ${names.map((name) => `\`${name}\``).join(' and ')} | ${packages} | ${(bytes / 1e6).toFixed(1)} MB |`,
  );
  return ['| Installed | Packages in all | On disk |', '| --- | ---: | ---: |', ...rows].join('\n');
}
