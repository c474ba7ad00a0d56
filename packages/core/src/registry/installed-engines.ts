import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applicationFolders } from './application-folders.ts';

/** Returns the engine types whose packages are in a `node_modules` folder of the application or of core. */
export function installedEngineTypes(): string[] {
  const types = new Set<string>();
  for (const folder of packageFolders()) {
    for (const name of namesIn(join(folder, '@polybus'))) {
      if (name.startsWith('engine-')) types.add(name.slice('engine-'.length));
    }
    for (const name of namesIn(folder)) {
      if (name.startsWith('polybus-engine-')) types.add(name.slice('polybus-engine-'.length));
    }
  }
  return [...types].sort();
}

function packageFolders(): Set<string> {
  const from = [
    ...applicationFolders().map((folder) => join(folder, 'package.json')),
    fileURLToPath(import.meta.url),
  ];
  return new Set(from.flatMap((file) => createRequire(file).resolve.paths('polybus') ?? []));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
