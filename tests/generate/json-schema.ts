import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import { type GenericSchema, is } from 'valibot';
import { configSchema, defaultEngineType } from '../../packages/core/src/config/parse-config.ts';
import { root } from '../test/docs/blocks.ts';
import { type Descriptions, descriptionsIn } from './descriptions.ts';
import { engineSchemas } from './engine-schemas.ts';

type Properties = Record<string, JsonSchema>;

const core = (file: string): string => readFileSync(join(root, 'packages/core/src', file), 'utf8');
const config = core('config/event-bus-config.ts');

/** The descriptions of the fields of a bus's configuration. */
export const busDescriptions: Descriptions = descriptionsIn(config, /EventBusConfig/);
export const engineDescriptions: Descriptions = descriptionsIn(config, /EngineConfig/);
export const ruleDescriptions: Descriptions = descriptionsIn(core('routing/routing-rules.ts'), /RoutingRule/);
export const retryDescriptions: Descriptions = descriptionsIn(
  core('contract/retry.ts'),
  /RetryOptions|BackoffOptions/,
);

/** Text that a file can contain instead of a number or a flag. */
const variable: JsonSchema = { type: 'string', pattern: String.raw`^\$\{[^}]+\}$` };

/** The JSON Schema of a configuration file, for editors and other validators. */
export async function configJsonSchema(): Promise<JsonSchema> {
  const schema = converted(configSchema, busDescriptions);
  const properties = schema.properties as Properties;
  const engine = (properties['engines'] as { items: JsonSchema }).items;
  const rule = (properties['routing'] as { items: JsonSchema }).items;
  describe(engine, engineDescriptions);
  describe(rule, ruleDescriptions);
  // A file cannot contain an engine object, so an engine in a file has a type.
  engine.required = ['name', 'type'];
  const engines = await engineSchemas();
  const types = engines.map(({ type }) => type);
  withSuggestions(properties, 'engine', types);
  withSuggestions(engine.properties as Properties, 'type', types);
  engine.allOf = engines.map(({ type }) => ({
    if: { properties: { type: { const: type } }, required: ['type'] },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    then: { properties: { config: { $ref: `#/definitions/${type}` } } },
  }));
  // The one-engine form. Without a type, it is the default one.
  const single = engines.map(({ type }) => ({
    if: {
      properties: { engine: { const: type } },
      ...(type === defaultEngineType ? {} : { required: ['engine'] }),
    },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    then: { properties: { config: { $ref: `#/definitions/${type}` } } },
  }));
  const definitions: Properties = { variable };
  for (const { type, schema: own, descriptions } of engines) definitions[type] = converted(own, descriptions);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'The configuration of a polybus event bus',
    ...schema,
    properties: { $schema: { type: 'string' }, ...properties },
    allOf: single,
    definitions,
  };
}

function converted(schema: GenericSchema, descriptions: Descriptions): JsonSchema {
  const { $schema: _, ...json } = toJsonSchema(schema, {
    target: 'draft-07',
    typeMode: 'input',
    // JSON Schema cannot express checks in code.
    errorMode: 'ignore',
    overrideSchema: ({ valibotSchema, jsonSchema }) => {
      if (valibotSchema.type !== 'custom') return jsonSchema;
      return is(valibotSchema as GenericSchema, {}) ? { type: 'object' } : { not: {} };
    },
  });
  const own = inFile(json);
  describe(own, descriptions);
  for (const [name, { anyOf }] of Object.entries((own.properties ?? {}) as Properties))
    for (const choice of (anyOf ?? []) as JsonSchema[]) describe(choice, fieldsIn(descriptions, name));
  const { retry } = own.properties as Properties;
  if (retry !== undefined) describeRetry(retry);
  return own;
}

/** The schema for a file: without fields that only code can set, and with variables instead of numbers and flags. */
function inFile(json: JsonSchema): JsonSchema {
  const { properties, items, anyOf, ...rest } = json;
  const own: JsonSchema = { ...rest };
  if (own.required?.length === 0) delete own.required;
  // Its schema allows any text, which is no information.
  delete own.propertyNames;
  if (!isOnlyInCode(own)) delete own.not;
  if (properties !== undefined) {
    const inside = Object.entries(properties as Properties).filter(([, one]) => !isOnlyInCode(one));
    own.properties = Object.fromEntries(inside.map(([name, one]) => [name, orVariable(inFile(one))]));
  }
  if (items !== undefined) own.items = orVariable(inFile(items as JsonSchema));
  if (anyOf !== undefined)
    own.anyOf = (anyOf as JsonSchema[]).filter((one) => !isOnlyInCode(one)).map(inFile);
  return own;
}

/** Returns true for a field that only code can set: its schema is a check in code that accepts no JSON type. */
export function isOnlyInCode({ not, type }: JsonSchema): boolean {
  return not !== undefined && type === undefined;
}

function orVariable(json: JsonSchema): JsonSchema {
  const { default: byDefault, ...rest } = json;
  const isTextual = json.type === 'string' && json.pattern === undefined && json.enum === undefined;
  if (isTextual || json.type === 'object' || json.type === 'array') return json;
  const reference = { $ref: '#/definitions/variable' };
  const choices = rest.anyOf === undefined ? [rest, reference] : [...(rest.anyOf as JsonSchema[]), reference];
  return { ...(byDefault === undefined ? {} : { default: byDefault }), anyOf: choices };
}

/** Text for which an editor offers choices; others are allowed. */
function withSuggestions(properties: Properties, name: string, choices: readonly string[]): void {
  const { type, minLength, ...rest } = properties[name]!;
  properties[name] = { ...rest, anyOf: [{ enum: [...choices] }, { type: type!, minLength: minLength! }] };
}

function describe(json: JsonSchema, descriptions: Descriptions): void {
  for (const [name, property] of Object.entries((json.properties ?? {}) as Properties)) {
    const description = descriptions[name];
    if (description !== undefined) property.description = description;
  }
}

/** The descriptions of the fields of an object in a field. */
export function fieldsIn(descriptions: Descriptions, name: string): Descriptions {
  const start = `${name}.`;
  const inside = Object.entries(descriptions).filter(([field]) => field.startsWith(start));
  return Object.fromEntries(inside.map(([field, text]) => [field.slice(start.length), text]));
}

function describeRetry(retry: JsonSchema): void {
  for (const choice of (retry.anyOf ?? []) as JsonSchema[]) {
    describe(choice, retryDescriptions);
    const { backoff } = (choice.properties ?? {}) as Properties;
    if (backoff !== undefined) describe(backoff, retryDescriptions);
  }
}
