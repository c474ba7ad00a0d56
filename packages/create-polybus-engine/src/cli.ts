#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { engineNames } from './naming.ts';
import { ScaffoldError } from './scaffold-error.ts';
import { scaffold } from './scaffold.ts';

const usage = `Writes the package of a new polybus engine.

  npm create polybus-engine@latest <name> [-- --folder <folder> --type <type>]

  <name>    the type of the engine (nats), or its package (polybus-engine-nats, @acme/polybus-engine-nats)
  --folder  where to write it; default: a folder of that name, without the scope
  --type    the engine's type in a configuration, if it is not in the name
  --help, --version`;

const options = {
  folder: { type: 'string' },
  type: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

try {
  run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ScaffoldError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

function run(args: readonly string[]): void {
  const { values, positionals } = parsed(args);
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  if (values.version === true) return console.log(version);
  if (values.help === true) return console.log(usage);
  const [given, ...more] = positionals;
  if (given === undefined || more.length > 0) throw new ScaffoldError(`Give one name.\n\n${usage}`);
  const names = engineNames(given, values.type);
  const folder = values.folder ?? basename(given);
  const files = scaffold(folder, names, version);
  console.log(`${names.packageName}: ${files.length} files in ${folder}. The engine's type is "${names.type}".

  cd ${folder}
  npm install
  npm test

The suite passes as it is, on a stand-in for a broker in src/broker.ts. Put the client of yours in its place, and keep it
passing: README.md says what is left to do.`);
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new ScaffoldError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}
