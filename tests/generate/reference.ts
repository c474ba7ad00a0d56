import type { JsonSchema } from '@valibot/to-json-schema';
import { toJsonSchema } from '@valibot/to-json-schema';
import { type GenericSchema, is } from 'valibot';
import { variables } from '../../packages/core/src/config/loading/environment.ts';
import { topicGrammar } from '../../packages/core/src/contract/topics.ts';
import { configSchema } from '../../packages/core/src/config/parse-config.ts';
import { durationGrammar } from '../../packages/core/src/config/duration.ts';
import type { Descriptions } from './descriptions.ts';
import { aliases, engineSchemas } from './engine-schemas.ts';
import {
  busDescriptions,
  engineDescriptions,
  fieldsIn,
  retryDescriptions,
  ruleDescriptions,
} from './json-schema.ts';

/** The parts of a valibot schema that the tables show. */
interface Walkable {
  readonly type: string;
  readonly wrapped?: Walkable;
  readonly default?: unknown;
  readonly entries?: Readonly<Record<string, Walkable>>;
  readonly item?: Walkable;
  readonly options?: readonly Walkable[];
}

interface Row {
  readonly field: string;
  readonly type: string;
  readonly default: unknown;
  readonly variable?: string | undefined;
  readonly meaning: string;
}

const variableOf = new Map(
  Object.entries(variables).map(([variable, [field]]) => [field as string, variable]),
);

/** The reference of every field, as Markdown. */
export async function configReference(): Promise<string> {
  const engines = await engineSchemas();
  const all = rowsOf(configSchema, busDescriptions).map((row) => ({
    ...row,
    variable: variableOf.get(row.field),
  }));
  const lists = ['engines', 'routing', 'source'];
  const { item: engine } = unwrapped(entriesOf(configSchema)['engines']!);
  const { item: rule } = unwrapped(entriesOf(configSchema)['routing']!);
  const retry = entriesOf(engines[0]!.schema)['retry']!;
  const retryObject = unwrapped(retry).options!.find(({ entries }) => entries !== undefined)!;
  const parts = [
    '### One engine\n\nThe defaults of these fields are those of the engine: see the `config` of its type below. If the engine does not have a field, the bus ignores the field and logs a warning.',
    // Without the default of `engine`, the only field that has one, the table needs no column for defaults.
    table(all.filter(({ field }) => !lists.includes(field)).map((row) => ({ ...row, default: undefined }))),
    '### The bus',
    table(all.filter(({ field }) => lists.includes(field))),
    '### `engines[]`',
    table(rowsOf(engine!, engineDescriptions)),
    '### `routing[]`',
    table(rowsOf(rule!, ruleDescriptions)),
    '### `retry`',
    table(retryRows(retryObject)),
    ...engines.flatMap(({ type, schema, descriptions }) => [
      `### \`config\` of type \`${type}\``,
      aliases.get(type) ?? table(rowsOf(schema, descriptions)),
      ...kindsOf(schema, descriptions),
    ]),
  ];
  return parts.join('\n\n');
}

function retryRows(retry: Walkable): Row[] {
  const rows = rowsOf(retry, retryDescriptions);
  const backoff = unwrapped(entriesOf(retry)['backoff']!);
  const inside = rowsOf(backoff, retryDescriptions).map((row) => ({ ...row, field: `backoff.${row.field}` }));
  return [...rows.filter(({ field }) => field !== 'backoff'), ...inside];
}

function rowsOf(schema: Walkable, descriptions: Descriptions): Row[] {
  return Object.entries(entriesOf(schema)).map(([field, entry]) => ({
    field,
    type: typeOf(unwrapped(entry)),
    default: entry.type === 'optional' ? entry.default : 'required',
    meaning: descriptions[field] ?? '',
  }));
}

/** A section for each field that is an object of one of several types, which have different fields. */
function kindsOf(schema: Walkable, descriptions: Descriptions): string[] {
  return Object.entries(entriesOf(schema)).flatMap(([field, entry]) => {
    const kinds = (unwrapped(entry).options ?? []).filter(({ entries }) => entries?.['type'] !== undefined);
    if (kinds.length === 0) return [];
    const rows = kinds.flatMap((kind) => {
      const start = `With ${typeOf(entriesOf(kind)['type']!)}: `;
      return rowsOf(kind, fieldsIn(descriptions, field))
        .filter((row) => row.field !== 'type')
        .map((row) => ({ ...row, meaning: start + row.meaning }));
    });
    const types = kinds.map((kind) => typeOf(entriesOf(kind)['type']!)).join(', ');
    return [
      `### \`${field}\``,
      `Its field \`type\` is required: ${types}. The other fields depend on it:`,
      table(rows),
    ];
  });
}

function entriesOf(schema: Walkable): Readonly<Record<string, Walkable>> {
  return unwrapped(schema).entries ?? {};
}

function unwrapped(schema: Walkable): Walkable {
  return schema.wrapped === undefined ? schema : unwrapped(schema.wrapped);
}

/** The type in words for the reference. */
function typeOf(schema: Walkable): string {
  const json = toJsonSchema(schema as GenericSchema, { typeMode: 'input', errorMode: 'ignore' });
  const isCode = schema.type === 'custom' && json.type === undefined;
  if (isCode && !is(schema as GenericSchema, {})) return 'in code only';
  return wordsFor(json);
}

function wordsFor(json: JsonSchema): string {
  const { type, enum: choices, const: only, anyOf, items, pattern } = json;
  if (only !== undefined) return code(only);
  if (choices !== undefined) return choices.map(code).join(', ');
  if (anyOf !== undefined) {
    const all = anyOf as JsonSchema[];
    if (all.some((one) => one.pattern === durationGrammar.source)) {
      return all.some((one) => one.type === 'number') ? 'duration' : 'duration with a unit, or 0';
    }
    return [...new Set(all.map(wordsFor))].join(' or ');
  }
  if (type === 'array') return `list of ${wordsFor((items ?? {}) as JsonSchema)}s`.replace(' or ', 's or ');
  if (type === 'integer') return `whole number${from(json)}`;
  if (type === 'number') return `number${from(json)}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'string' && pattern === topicGrammar.source) return 'topic';
  if (type === 'string')
    return pattern?.startsWith(topicGrammar.source) === true ? 'topic or pattern' : 'text';
  return 'object';
}

function from({ minimum }: JsonSchema): string {
  return minimum === undefined ? '' : ` from ${minimum}`;
}

function table(rows: readonly Row[]): string {
  const hasVariables = rows.some(({ variable }) => variable !== undefined);
  const hasDefaults = rows.some((row) => row.default !== undefined);
  const head = [
    'Field',
    'Type',
    ...(hasDefaults ? ['Default'] : []),
    ...(hasVariables ? ['Variable'] : []),
    'Meaning',
  ];
  const body = rows.map((row) => [
    code(row.field),
    row.type,
    ...(hasDefaults
      ? [row.default === 'required' ? 'required' : row.default === undefined ? '' : code(row.default)]
      : []),
    ...(hasVariables ? [row.variable === undefined ? '' : code(row.variable)] : []),
    meaningOf(row).replaceAll('|', String.raw`\|`),
  ]);
  const lines = [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

/** The description, without the default if the table has a column for it. */
function meaningOf({ meaning, default: byDefault }: Row): string {
  return byDefault === undefined ? meaning : meaning.replace(/ ?Default [^.:,]+\.(?= |$)/g, '');
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
