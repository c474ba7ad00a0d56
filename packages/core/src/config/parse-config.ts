import * as v from 'valibot';
import type { Engine } from '../contract/engine.ts';
import {
  type ConfigProblem,
  DuplicateEngineNameError,
  InvalidConfigError,
  UnknownEngineReferenceError,
} from '../errors/config-errors.ts';
import { oneConfigError } from '../errors/config-problems.ts';
import type { PolybusError } from '../errors/polybus-error.ts';
import type { EventBusConfig, ParsedConfig } from './event-bus-config.ts';
import { type SourceOf, noSource } from './loading/sources.ts';
import { type EngineSpec, type MadeEngine, hasField, makeKnownEngines } from './make-engines.ts';
import {
  atLeastOne,
  flag,
  givenTimeToLive,
  strict,
  tenant,
  text,
  timerDuration,
  topicOrPattern,
  wholeNumber,
} from './schema.ts';
import { toProblem } from './validate.ts';

/** The default engine type. It loses no accepted event while the process lives. */
export const defaultEngineType = 'durable-memory';

/** The name of a single engine. */
const defaultName = 'default';

/** The fields of a single engine, which become its `config`. */
const singleEngineEntries = {
  maxEventQueueSize: v.optional(atLeastOne),
  defaultEventBufferSize: v.optional(atLeastOne),
  maxDurableQueueDepth: v.optional(wholeNumber),
  workerCount: v.optional(atLeastOne),
  deliveryMode: v.optional(v.picklist(['drop', 'block', 'timeout'], '"drop", "block" or "timeout"')),
  publishBlockTimeout: v.optional(timerDuration),
  rotateSubscriberOrder: v.optional(flag),
  // Unchanged: the engine parses it again.
  eventTTL: v.optional(givenTimeToLive),
  retentionDays: v.optional(atLeastOne),
  externalBrokerURL: v.optional(v.string('a URL')),
  externalBrokerUser: v.optional(v.string('text')),
  externalBrokerPassword: v.optional(v.string('text')),
};

/** The fields that count if there are no `engines`. */
export const singleEngineFields: readonly string[] = [
  'engine',
  'config',
  ...Object.keys(singleEngineEntries),
];

const engineConfig = v.record(v.string(), v.unknown(), 'an object');

const anyEngine = v.custom<Engine>(
  (value) =>
    typeof (value as Engine | null)?.publish === 'function' && typeof (value as Engine).start === 'function',
  'an engine, such as memoryEngine() returns',
);

/** The label that metrics have for all engines together. */
const nameOfAll = '_all';

const engineSchema = v.pipe(
  strict({
    name: v.pipe(
      text,
      v.notValue(nameOfAll, `a name other than "${nameOfAll}", which metrics use for all engines together`),
    ),
    type: v.optional(text),
    config: v.optional(engineConfig),
    engine: v.optional(anyEngine),
  }),
  v.check(
    ({ type, engine }) => (type === undefined) !== (engine === undefined),
    'either a type, such as "memory", or an engine object',
  ),
  v.check(
    ({ config, engine }) => config === undefined || engine === undefined,
    'no config together with an engine object; pass the config to the function that makes the engine',
  ),
);

const entries = {
  engine: v.optional(text, defaultEngineType),
  config: v.optional(engineConfig),
  ...singleEngineEntries,
  engines: v.optional(v.pipe(v.array(engineSchema, 'a list'), v.minLength(1, 'at least one engine'))),
  routing: v.optional(
    v.array(
      strict({
        topics: v.pipe(
          v.array(topicOrPattern, 'a list of topics and patterns'),
          v.minLength(1, 'at least one topic'),
        ),
        engine: text,
        tenants: v.optional(
          v.pipe(v.array(tenant, 'a list of tenants'), v.minLength(1, 'at least one tenant')),
        ),
      }),
      'a list',
    ),
    [],
  ),
  source: v.optional(text, 'polybus'),
};

const schema = strict(entries);

/** The names of all fields of a configuration. */
export const configFields: readonly string[] = Object.keys(entries);

/** The schema of a configuration; JSON Schema and the reference in the documentation are generated from it. */
export const configSchema: v.GenericSchema = schema;

/**
 * Checks a configuration, in its form with one engine or with several, and converts it to the latter. The `config` of an engine is
 * checked here too if the engine's type is registered or was used before; otherwise when the bus starts.
 *
 * @throws {@link InvalidConfigError} listing every problem with its path, the value, what is allowed, and a suggestion for a
 *   misspelt field. If the only problem is a name, it is a {@link DuplicateEngineNameError} or an
 *   {@link UnknownEngineReferenceError}.
 */
export function parseConfig(input: EventBusConfig = {}): ParsedConfig {
  return parseAndMake(input).config;
}

/** {@link parseConfig}, and the engines that the check has created, by their index in the list. */
export function parseAndMake(
  input: EventBusConfig,
  sourceOf: SourceOf = noSource,
): {
  readonly config: ParsedConfig;
  readonly shared: EngineSpec['shared'];
  readonly made: ReadonlyMap<number, MadeEngine>;
} {
  const { mistakes, made } = examine(input, sourceOf);
  if (mistakes.length > 0) throw oneConfigError(mistakes);
  const { engine: type, config, engines, routing, source, ...single } = v.parse(schema, input);
  const isMultiEngine = engines !== undefined;
  const outside = given(single);
  const list = engines ?? [{ name: defaultName, type, config: { ...outside, ...config } }];
  const shared = isMultiEngine ? undefined : sharedFields(config);
  return {
    config: { engines: list, routing, source, isMultiEngine, defaultEngine: list[0]!.name },
    shared,
    made,
  };
}

/** All mistakes in a configuration. Names are checked even if something else is wrong. */
export function mistakesIn(input: unknown, sourceOf: SourceOf): PolybusError[] {
  return examine(input, sourceOf).mistakes;
}

function examine(
  input: unknown,
  sourceOf: SourceOf,
): { mistakes: PolybusError[]; made: Map<number, MadeEngine> } {
  const { issues = [] } = v.safeParse(schema, input);
  const problems = issues.map((issue) => {
    const field = issue.path?.[0]?.key;
    return { ...toProblem(issue, ''), source: typeof field === 'string' ? sourceOf(field) : undefined };
  });
  const fields: Record<string, unknown> = isRecord(input) ? input : {};
  const names = fields['engines'] === undefined ? [defaultName] : namesIn(fields['engines'], 'name');
  const duplicates = names.flatMap((name, i) =>
    name !== undefined && names.indexOf(name) !== i
      ? [new DuplicateEngineNameError(name, `engines[${i}].name`, sourceOf('engines'))]
      : [],
  );
  const known = names.filter((name) => name !== undefined);
  const unknown = namesIn(fields['routing'], 'engine').flatMap((name, i) =>
    name !== undefined && known.length > 0 && !known.includes(name)
      ? [new UnknownEngineReferenceError(name, `routing[${i}].engine`, known, sourceOf('routing'))]
      : [],
  );
  const specs = engineSpecsIn(fields);
  const { made, mistakes: engineMistakes } = makeKnownEngines(specs, sourceOf);
  const placed = problems.map((problem) => withPlaceOfField(problem, fields, specs));
  const mistakes = [...(placed.length > 0 ? [new InvalidConfigError(placed)] : []), ...engineMistakes];
  return { mistakes: [...mistakes, ...duplicates, ...unknown], made };
}

/** Says where a field belongs that is at the top although only the engine has it. */
function withPlaceOfField(
  problem: ConfigProblem,
  fields: Readonly<Record<string, unknown>>,
  specs: readonly EngineSpec[],
): ConfigProblem {
  const { path, kind } = problem;
  if (kind !== 'unknown-field' || !Object.hasOwn(fields, path)) return problem;
  const owner = specs.find(({ type }) => hasField(type, path));
  if (owner === undefined) return problem;
  const place = owner.shared === undefined ? `engines[${owner.index}].config` : 'config';
  return { ...problem, message: `it is a field of the engine "${owner.type}"; set ${place}.${path}` };
}

/** The engines to create, as far as mistakes in the configuration allow. */
function engineSpecsIn(fields: Readonly<Record<string, unknown>>): EngineSpec[] {
  const { engines, engine = defaultEngineType } = fields;
  if (engines === undefined) {
    if (typeof engine !== 'string') return [];
    const right = Object.entries(singleEngineEntries).flatMap(([field, entry]) => {
      const result = v.safeParse(entry, fields[field]);
      return result.success ? [[field, result.output] as const] : [];
    });
    const { config = {} } = fields;
    if (!isRecord(config)) return [];
    const outside = given(Object.fromEntries(right));
    const shared = sharedFields(config);
    return [{ index: 0, name: defaultName, type: engine, config: { ...outside, ...config }, shared }];
  }
  if (!Array.isArray(engines)) return [];
  return engines.flatMap((item: unknown, index) => {
    const { name, type, config = {}, engine: made } = isRecord(item) ? item : {};
    if (typeof name !== 'string' || typeof type !== 'string' || !isRecord(config) || made !== undefined)
      return [];
    return [{ index, name, type, config, shared: undefined }];
  });
}

/** The fields of the one-engine form that count outside of its `config`. */
function sharedFields(config: object = {}): ReadonlySet<string> {
  return new Set(Object.keys(singleEngineEntries).filter((field) => !Object.hasOwn(config, field)));
}

/** The value of a field in each item of a list; undefined if it is not a name. */
function namesIn(list: unknown, field: string): (string | undefined)[] {
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown) => {
    const name = isRecord(item) ? item[field] : undefined;
    return typeof name === 'string' && name !== '' ? name : undefined;
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''),
  );
}
