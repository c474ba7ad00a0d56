import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../test/docs/blocks.ts';
import { Declarations } from './declarations.ts';
import { type Option, type OptionCall, type OptionCalls, optionCallsOf } from './option-calls.ts';
import { probe } from './option-probe.ts';
import { table } from './table.ts';

/** The reference of the options of every call of a bus, as Markdown. */
export async function optionReference(): Promise<string> {
  const sections = await Promise.all(optionCallsOf(new Declarations(coreSource())).map(section));
  return sections.join('\n\n');
}

function coreSource(): string {
  const folder = join(root, 'packages/core/src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
}

async function section({ interface: name, calls, options }: OptionCalls): Promise<string> {
  const rows = await Promise.all(
    options.map(async (option) => [
      `\`${option.path.join('.')}\``,
      typeOf(option),
      ...meaningOf(option),
      await errorsOf(calls, option, options),
    ]),
  );
  const errors = calls.flatMap((call) =>
    call.errors.map((error) => `- \`${call.name}\`: ${sentence(error)}`),
  );
  return [
    `## ${listOf(calls.map((call) => `\`${call.name}\``))}`,
    `The type of the options is \`${name}\`.`,
    table(
      ['Option', 'Type', 'Default', 'Meaning', 'Errors'],
      rows.map((row) => row.map(cell)),
    ),
    `Errors of the ${calls.length === 1 ? 'call' : 'calls'}:`,
    errors.join('\n'),
  ].join('\n\n');
}

function typeOf({ path, types }: Option): string {
  const isDuration = path.at(-1)!.endsWith('Ms');
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    number: isDuration ? 'milliseconds' : 'number',
    boolean: '`true`, `false`',
  };
  return types
    .map((type) => {
      if (type in words) return words[type]!;
      return /^(?:Readonly<|\w+Options$)/.test(type) ? 'object' : `\`${type.replace(/\s+/g, ' ')}\``;
    })
    .join(', ');
}

/** The default, and the meaning without it. */
function meaningOf({ path, meaning, isOptional }: Option): [string, string] {
  if (meaning === '') throw new Error(`the option ${path.join('.')} has no doc comment`);
  const found = / ?\bDefault:? ((?:`[^`]*`|[^.`])+)\.(?= |$)/.exec(meaning);
  const none = isOptional ? 'none' : 'required';
  return [found?.[1] ?? none, found === null ? meaning : meaning.replace(found[0], '').trim()];
}

/** The error for an invalid value, with the valid values, and the error for a missing capability. */
async function errorsOf(
  calls: readonly OptionCall[],
  option: Option,
  all: readonly Option[],
): Promise<string> {
  const probed = await Promise.all(calls.map((call) => probe(call, option, all)));
  const texts = probed.map(({ error, expected }) =>
    expected === undefined ? `\`${error}\`` : `\`${error}\`: expected ${expected}`,
  );
  const invalid = [...new Set(texts)].map((text) => {
    const having = calls.filter((_, i) => texts[i] === text).map(({ name }) => `\`${name}\``);
    return having.length === calls.length ? text : `${listOf(having)}: ${text}`;
  });
  const { capability } = probed[0]!;
  const unsupported = `\`UnsupportedCapabilityError\` without the capability \`${capability}\``;
  return [...invalid, ...(capability === undefined ? [] : [unsupported])].join('<br>');
}

function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

function cell(text: string): string {
  return text
    .replaceAll('|', String.raw`\|`)
    .replace(/`[^`]*`|<(?!br>)/g, (part) => (part === '<' ? String.raw`\<` : part));
}
