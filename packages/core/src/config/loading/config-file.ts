import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Yaml from 'yaml';
import { ConfigFileError, type InvalidConfigError } from '../../errors/config-errors.ts';
import { importFailure } from '../../errors/import-failure.ts';
import type { Environment } from './sources.ts';
import { lineOfJsonMistake } from './json-mistake.ts';
import { PlainText, type Typed, isReference, substitute } from './substitute.ts';

/** The fields that a configuration file sets. */
export interface FileFields {
  readonly fields: Readonly<Record<string, unknown>>;
  /** The name of the file in messages. */
  readonly name: string;
  readonly typed: readonly Typed[];
  readonly errors: readonly InvalidConfigError[];
  /** The environment variables that the file refers to. */
  readonly variables: ReadonlySet<string>;
}

/**
 * Reads a configuration file, YAML or JSON by its extension, and replaces `${NAME}` by environment variables.
 *
 * @throws {@link ConfigFileError} if the file cannot be read or parsed, or has another extension.
 * @throws {@link MissingPackageError} if the file is YAML and the package `yaml` is not installed.
 */
export async function readConfigFile(file: string | URL, environment: Environment): Promise<FileFields> {
  const path = typeof file === 'string' ? file : fileURLToPath(file);
  const parse = parsers[extname(path).toLowerCase()];
  if (parse === undefined) {
    throw new ConfigFileError(path, `its extension must be one of ${Object.keys(parsers).join(', ')}`);
  }
  const parsed = await parse(await read(path), path);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed) || parsed instanceof PlainText) {
    throw new ConfigFileError(path, 'expected fields such as "engine: memory" at the top level');
  }
  const { value, typed, errors, variables } = substitute(parsed, environment, basename(path));
  const fields = value as Record<string, unknown>;
  // Only editors use this field.
  delete fields['$schema'];
  return { fields, name: basename(path), typed, errors, variables };
}

async function read(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8');
    return text.startsWith('\uFEFF') ? text.slice(1) : text;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new ConfigFileError(path, code === 'ENOENT' ? 'there is no such file' : String(code), { cause });
  }
}

type Parser = (text: string, path: string) => unknown;

const parsers: Readonly<Record<string, Parser>> = {
  '.yaml': parseYaml,
  '.yml': parseYaml,
  '.json': parseJson,
};

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text, (_, value: unknown) =>
      typeof value === 'string' && isReference(value) ? new PlainText(value) : value,
    );
  } catch {
    // Without the cause, whose message quotes the text.
    throw new ConfigFileError(path, 'it is not valid JSON', { line: lineOfJsonMistake(text) });
  }
}

async function parseYaml(text: string, path: string): Promise<unknown> {
  const { LineCounter, parseDocument, visit } = await importYaml();
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [mistake] = [...document.errors, ...document.warnings];
  if (mistake !== undefined) {
    const { line } = lineCounter.linePos(mistake.pos[0]);
    throw new ConfigFileError(path, `it is not valid YAML: ${reasonOf(mistake)}`, { line });
  }
  visit(document, {
    Scalar: (role, node) => {
      const { value, type } = node;
      if (role === 'key' || typeof value !== 'string' || type !== 'PLAIN') return;
      if (isReference(value)) node.value = new PlainText(value);
    },
  });
  try {
    return document.toJS() ?? {};
  } catch {
    throw new ConfigFileError(path, 'an alias in it cannot be resolved; define its anchor before it');
  }
}

/** Returns the kind of the mistake, because the message may quote the text. */
function reasonOf({ code }: { readonly code: string }): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

async function importYaml(): Promise<typeof Yaml> {
  try {
    return await import('yaml');
  } catch (cause) {
    throw importFailure(cause, 'yaml', 'A configuration file in YAML');
  }
}
