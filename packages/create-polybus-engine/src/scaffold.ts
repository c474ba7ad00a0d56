import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineNames } from './naming.ts';
import { ScaffoldError } from './scaffold-error.ts';

const templates = fileURLToPath(new URL('../templates', import.meta.url));

/** Files that npm would not pack under their own name, or takes for its own. */
const renamed: Readonly<Record<string, string>> = {
  _gitignore: '.gitignore',
  '_package.json': 'package.json',
};

/**
 * Writes the package of a new engine.
 *
 * @param version - Of polybus; the package asks for this one or later.
 * @returns the files, relative to the folder.
 * @throws {@link ScaffoldError} where the folder has something in it; nothing is written then.
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
    // In one step, so that what is put in is not looked at again.
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
  if (!found.isDirectory()) throw new ScaffoldError(`${folder} is there already, and is no folder.`);
  const entries = readdirSync(folder).filter((entry) => entry !== '.git');
  if (entries.length === 0) return;
  const some = entries.slice(0, 3).join(', ') + (entries.length > 3 ? ', …' : '');
  throw new ScaffoldError(
    `The folder ${resolve(folder)} is not empty (${some}). Choose another, or empty it.`,
  );
}

/** The files of the template, with slashes. */
export function templateFiles(): string[] {
  return readdirSync(templates, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(templates, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/**
 * The versions of core that a package works with that was tested with one of them. Before 1.0 a minor may break, but the engine
 * contract has a version of its own that is checked at run time.
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
