#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { engineNames } from './naming.ts';
import { ScaffoldError } from './scaffold-error.ts';
import { scaffold } from './scaffold.ts';

const usage = `Creates the package of a new polybus engine.

  npm create polybus-engine@latest <name> [-- --folder <folder> --type <type>]

  <name>    the type of the engine (nats), or its package (polybus-engine-nats, @acme/polybus-engine-nats)
  --folder  the target folder; default: the name without its scope
  --type    the engine's type in a configuration; default: taken from the name
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
  if (given === undefined || more.length > 0) throw new ScaffoldError(`Pass exactly one name.\n\n${usage}`);
  const names = engineNames(given, values.type);
  const folder = values.folder ?? basename(given);
  const files = scaffold(folder, names, version);
  console.log(`${names.packageName}: ${files.length} files in ${folder}. The engine's type is "${names.type}".

  cd ${folder}
  npm install
  npm test

The conformance suite passes with the stand-in for a broker in src/broker.ts. Replace it with your broker's client, and keep
the suite passing. README.md lists what is left to do.`);
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new ScaffoldError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}
