import { realpathSync } from 'node:fs';
import Module from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Returns the folders of the application: the working directory, and the folder of the running program with links resolved. */
export function applicationFolders(): string[] {
  const program = process.argv[1];
  const folders = [
    folderOf(() => process.cwd()),
    program === undefined ? undefined : folderOf(() => dirname(realpathSync(resolve(program)))),
  ];
  return [...new Set(folders.filter((folder) => folder !== undefined))];
}

/** Returns a folder; undefined if it does not exist, or if the program is not a file, such as code on the command line. */
function folderOf(find: () => string): string | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

/**
 * Returns the `require` of a module in a folder. webpack replaces calls of an imported `createRequire`, and the replacement finds only what
 * webpack has bundled.
 */
export function requireFrom(folder: string): NodeJS.Require {
  return Module.createRequire(join(folder, 'package.json'));
}

/** Resolves a package from the application, because strict package managers let core see only its own dependencies. */
export function resolveForApplication(name: string): string | undefined {
  for (const folder of applicationFolders()) {
    try {
      return pathToFileURL(requireFrom(folder).resolve(name)).href;
    } catch {
      // Not resolvable from this folder.
    }
  }
  return undefined;
}
