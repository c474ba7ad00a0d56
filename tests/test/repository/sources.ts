import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../docs/blocks.ts';

/** The TypeScript files that the packages publish. */
export function sourcesOfPackages(): string[] {
  const packages = join(root, 'packages');
  return readdirSync(packages).flatMap((name) => sourcesIn(join(packages, name, 'src')));
}

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}
