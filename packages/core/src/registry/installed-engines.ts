import { readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applicationFolders, requireFrom, resolveForApplication } from './application-folders.ts';

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
  // Not `import.meta.url`, which is undefined or the path of another machine in a bundled program.
  const core = resolveForApplication('@polybus/core');
  const folders = [
    ...applicationFolders(),
    ...(core === undefined ? [] : [dirname(realpathSync(fileURLToPath(core)))]),
  ];
  return new Set(folders.flatMap((folder) => requireFrom(folder).resolve.paths('polybus') ?? []));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
