import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineNames } from './naming.ts';
import { ScaffoldError } from './scaffold-error.ts';

const templates = fileURLToPath(new URL('../templates', import.meta.url));

/** Files that npm does not pack under their own name, or interprets itself. */
const renamed: Readonly<Record<string, string>> = {
  _gitignore: '.gitignore',
  '_package.json': 'package.json',
};

/**
 * Writes the package of a new engine.
 *
 * @param version - The version of polybus. The package requires this version or a later one.
 * @returns the files, relative to the folder.
 * @throws {@link ScaffoldError} if the folder is not empty. Nothing is written then.
 */
export function scaffold(folder: string, names: EngineNames, version: string): string[] {
  assertEmpty(folder);
  const values: Readonly<Record<string, string>> = {
    __NAME__: names.packageName,
    __TYPE__: names.type,
    __factory__: names.factory,
    __Prefix__: names.prefix,
    __CORE_RANGE__: rangeFrom(version),
    __HOW_IT_IS_FOUND__: howItIsFound(names),
    __YEAR__: String(new Date().getFullYear()),
  };
  return templateFiles().map((template) => {
    const text = readFileSync(join(templates, template), 'utf8');
    const file = join(dirname(template), renamed[template] ?? template.slice(template.lastIndexOf('/') + 1));
    const target = join(folder, file);
    mkdirSync(dirname(target), { recursive: true });
    // In one step, so that inserted values are not replaced again.
    writeFileSync(
      target,
      text.replace(/__[A-Za-z_]+?__/g, (mark) => values[mark] ?? mark),
    );
    return file;
  });
}

function assertEmpty(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) throw new ScaffoldError(`${folder} exists and is not a folder.`);
  const entries = readdirSync(folder).filter((entry) => entry !== '.git');
  if (entries.length === 0) return;
  const some = entries.slice(0, 3).join(', ') + (entries.length > 3 ? ', …' : '');
  throw new ScaffoldError(
    `The folder ${resolve(folder)} is not empty (${some}). Choose another folder, or empty this one.`,
  );
}

/** The paths of the template files, with slashes. */
export function templateFiles(): string[] {
  return readdirSync(templates, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(templates, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/**
 * The range of core versions for a package that was tested with `version`. Before 1.0 a minor version may break packages, but the
 * engine contract has its own version, which is checked at run time.
 */
export function rangeFrom(version: string): string {
  return version.startsWith('0.') ? `>=${version} <1` : `^${version}`;
}

function howItIsFound({ packageName, type, factory }: EngineNames): string {
  return packageName.startsWith('@')
    ? `A bus finds an engine type only in \`polybus-engine-<type>\`. To use this one in a configuration file, register it before the bus\n` +
        `starts: \`registerEngine('${type}', engines['${type}'])\`, with \`registerEngine\` of \`@polybus/core/engine\` and \`engines\` of this package.`
    : `In a configuration file, name the engine by its type:\n` +
        `\`{ "name": "events", "type": "${type}", "config": { "url": "…" } }\`. The bus finds the type \`${type}\`\n` +
        `in the package \`${packageName}\`. Its \`config\` has the options of \`${factory}\`.`;
}
