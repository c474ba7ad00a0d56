import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Where the application may be: the folder it was started in, and the one of the program that runs, links followed. */
export function applicationFolders(): string[] {
  const program = process.argv[1];
  const folders = [
    folderOf(() => process.cwd()),
    program === undefined ? undefined : folderOf(() => dirname(realpathSync(resolve(program)))),
  ];
  return [...new Set(folders.filter((folder) => folder !== undefined))];
}

/** Undefined where it is gone, or, for a program, is no file: code given on the command line, or a program packed into one file. */
function folderOf(find: () => string): string | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

/** What a package is for the application. Strict package managers let core see only its own dependencies. */
export function resolveForApplication(name: string): string | undefined {
  for (const folder of applicationFolders()) {
    try {
      return pathToFileURL(createRequire(join(folder, 'package.json')).resolve(name)).href;
    } catch {
      // Not from there.
    }
  }
  return undefined;
}
