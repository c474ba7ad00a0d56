import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './published.ts';

const begin = '<!-- The table below is generated: npm run try:packages -- --write -->';
const end = '<!-- End of the generated table. -->';

/** The packages and the size that an installation of some packages adds. */
export interface Footprint {
  readonly names: readonly string[];
  readonly packages: number;
  readonly bytes: number;
}

const file = join(root, 'README.md');

export const readReadme = (): string => readFileSync(file, 'utf8');

/** Writes the README's table of sizes, if the README contains its markers. */
export function writeSizes(footprints: readonly Footprint[]): void {
  const readme = readReadme();
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error('README.md has lost the marks around its table of sizes');
  writeFileSync(file, `${before}${begin}\n\n${ignored(sizesTable(footprints))}\n\n${end}${after}`);
}

/** The allowed difference of a size, because dependencies have their own releases and a figure has one decimal. */
const tolerance = 0.1;
const remedy = 'write it with: npm run try:packages -- --write';

/** Returns wrong lines of a README: another number of packages, or a size that is off by more than a tenth. */
export function complaintsAboutSizes(readme: string, footprints: readonly Footprint[]): string[] {
  return footprints.flatMap((one) => {
    const label = labelOf(one);
    const row = readme.split('\n').find((line) => line.startsWith(`| ${label} |`));
    const [, packages, megabytes] = /\| (\d+) \| ([\d.]+) MB \|$/.exec(row ?? '') ?? [];
    if (packages === undefined) return [`README.md says nothing of ${label}; ${remedy}`];
    const measured = one.bytes / 1e6;
    const isOff = Math.abs(measured - Number(megabytes)) > tolerance * Number(megabytes);
    return [
      ...(Number(packages) === one.packages ? [] : [`${label}: ${one.packages} packages, not ${packages}`]),
      ...(isOff ? [`${label}: ${measured.toFixed(1)} MB, not ${megabytes} MB`] : []),
    ].map((complaint) => `${complaint}; ${remedy}`);
  });
}

const labelOf = ({ names }: Footprint): string => names.map((name) => `\`${name}\``).join(' and ');

const ignored = (table: string): string =>
  `<!-- prettier-ignore-start -->\n\n${table}\n\n<!-- prettier-ignore-end -->`;

export function sizesTable(footprints: readonly Footprint[]): string {
  const rows = footprints.map(
    (one) => `| ${labelOf(one)} | ${one.packages} | ${(one.bytes / 1e6).toFixed(1)} MB |`,
  );
  return ['| Installed | Packages in all | On disk |', '| --- | ---: | ---: |', ...rows].join('\n');
}
