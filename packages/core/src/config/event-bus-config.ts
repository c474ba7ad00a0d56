import * as v from 'valibot';
import type { Duration, TimeToLive } from '../contract/bus.ts';
import type { Engine, EngineType, EngineTypeConfig } from '../contract/engine.ts';
import {
  DuplicateEngineNameError,
  InvalidConfigError,
  UnknownEngineReferenceError,
} from '../errors/config-errors.ts';
import type { PolybusError } from '../errors/polybus-error.ts';
import { type OwnConfig, makeKnown } from './known-engines.ts';
import { oneConfigError } from './one-config-error.ts';
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
import type { MadeEngine } from './own-config.ts';
import { type SourceOf, noSource } from './loading/sources.ts';
import type { RoutingRule } from '../routing/routing.ts';
import { toProblem } from './validate.ts';

/** One engine of a bus. */
export interface EngineConfig {
  /** Unique in the bus; routing rules name it. */
  readonly name: string;
  /** `memory`, `redis`, …: registered, or the name of an installed package. Not beside `engine`. */
  readonly type?: EngineType | undefined;
  /** What the engine of that type takes; it checks it itself. */
  readonly config?: EngineTypeConfig | undefined;
  /** An engine that code has made. Not beside `type`. */
  readonly engine?: Engine | undefined;
}

/** The configuration of a bus, with one engine or, where `engines` is given, with several. */
export interface EventBusConfig {
  /** The type of the one engine: `memory`, `durable-memory`, `redis`, `kafka`, `kinesis`, or one of your own. Default `durable-memory`. */
  readonly engine?: EngineType | undefined;
  /** Unsettled deliveries of one topic, over all its subscriptions. */
  readonly maxEventQueueSize?: number | undefined;
  /** Events that may wait for each subscription. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Events that may wait for each subscription of `durable-memory`, as the Go module calls it; 0 for as many as `maxEventQueueSize`. */
  readonly maxDurableQueueDepth?: number | undefined;
  /** Handlers at once, over all async subscriptions. */
  readonly workerCount?: number | undefined;
  /** What happens where there is no room: `drop`, `block`, or `timeout`, which blocks so long and then drops. */
  readonly deliveryMode?: 'drop' | 'block' | 'timeout' | undefined;
  /** How long `timeout` blocks. */
  readonly publishBlockTimeout?: Duration | undefined;
  /** Begin each publish at another subscription, so that drops spread evenly. */
  readonly rotateSubscriberOrder?: boolean | undefined;
  /** An event that waited longer in a buffer is dropped; 0 for no limit. */
  readonly eventTTL?: TimeToLive | undefined;
  /** Days that events are kept for replay. */
  readonly retentionDays?: number | undefined;
  /** Where the broker is, for engines that have one outside the process. */
  readonly externalBrokerURL?: string | undefined;
  /** The user at the broker. */
  readonly externalBrokerUser?: string | undefined;
  /** The password at the broker. */
  readonly externalBrokerPassword?: string | undefined;
  /** Several engines. Where it is given, the fields of the one engine above count for nothing. */
  readonly engines?: readonly EngineConfig[] | undefined;
  /** Rules in order; the first that matches a topic wins. What none matches goes to the first engine. */
  readonly routing?: readonly RoutingRule[] | undefined;
  /** CloudEvents `source` of the events published here, a URI reference. Default `polybus`. */
  readonly source?: string | undefined;
}

/** A configuration that has been checked. */
export interface ParsedConfig {
  readonly engines: readonly EngineConfig[];
  readonly routing: readonly RoutingRule[];
  readonly source: string;
  /** True where the configuration had `engines`. */
  readonly isMultiEngine: boolean;
  /** The name of the engine for topics that no rule matches: the first, or `default` where there is one only. */
  readonly defaultEngine: string;
}

/** The type of the one engine if a configuration names none: it loses nothing that it accepted while the process lives. */
export const defaultEngineType = 'durable-memory';

/** The name of the one engine. */
const defaultName = 'default';

/** The fields of the one engine; they become its `config`. */
const singleEngineEntries = {
  maxEventQueueSize: v.optional(atLeastOne),
  defaultEventBufferSize: v.optional(atLeastOne),
  maxDurableQueueDepth: v.optional(wholeNumber),
  workerCount: v.optional(atLeastOne),
  deliveryMode: v.optional(v.picklist(['drop', 'block', 'timeout'], '"drop", "block" or "timeout"')),
  publishBlockTimeout: v.optional(timerDuration),
  rotateSubscriberOrder: v.optional(flag),
  // As it is given: the engine reads it once more.
  eventTTL: v.optional(givenTimeToLive),
  retentionDays: v.optional(atLeastOne),
  externalBrokerURL: v.optional(v.string('a URL')),
  externalBrokerUser: v.optional(v.string('text')),
  externalBrokerPassword: v.optional(v.string('text')),
};

/** The fields that count where there are no `engines`. */
export const singleEngineFields: readonly string[] = ['engine', ...Object.keys(singleEngineEntries)];

const anyEngine = v.custom<Engine>(
  (value) =>
    typeof (value as Engine | null)?.publish === 'function' && typeof (value as Engine).start === 'function',
  'an engine, as memoryEngine() and its like make one',
);

/** What metrics call all engines together. */
const nameOfAll = '_all';

const engineSchema = v.pipe(
  strict({
    name: v.pipe(
      text,
      v.notValue(nameOfAll, `another name than "${nameOfAll}", which metrics have for all engines together`),
    ),
    type: v.optional(text),
    config: v.optional(v.record(v.string(), v.unknown(), 'an object')),
    engine: v.optional(anyEngine),
  }),
  v.check(
    ({ type, engine }) => (type === undefined) !== (engine === undefined),
    'either a type, such as "memory", or an engine that code has made',
  ),
  v.check(
    ({ config, engine }) => config === undefined || engine === undefined,
    'no config beside an engine that code has made: configure it where it is made',
  ),
);

const entries = {
  engine: v.optional(text, defaultEngineType),
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

/** What a configuration has to be; JSON Schema and the reference in the documentation are made of it. */
export const configSchema: v.GenericSchema = schema;

/**
 * Checks a configuration, in its one-engine or its many-engine form, and brings it into the latter. What an engine's own
 * `config` holds is checked here too where the engine's type is registered or was used before; else when the bus starts.
 *
 * @throws {@link InvalidConfigError} listing every problem with its path, the value, what is allowed, and a suggestion for a
 *   misspelt field. Where the only problem is a name, it is a {@link DuplicateEngineNameError} or an
 *   {@link UnknownEngineReferenceError}.
 */
export function parseConfig(input: EventBusConfig = {}): ParsedConfig {
  return parseAndMake(input).config;
}

/** {@link parseConfig}, and the engines that the check has made, by their place in the list. */
export function parseAndMake(
  input: EventBusConfig,
  sourceOf: SourceOf = noSource,
): { readonly config: ParsedConfig; readonly made: ReadonlyMap<number, MadeEngine> } {
  const { mistakes, made } = examine(input, sourceOf);
  if (mistakes.length > 0) throw oneConfigError(mistakes);
  const { engine: type, engines, routing, source, ...single } = v.parse(schema, input);
  const isMultiEngine = engines !== undefined;
  const list = engines ?? [{ name: defaultName, type, config: given(single) }];
  return { config: { engines: list, routing, source, isMultiEngine, defaultEngine: list[0]!.name }, made };
}

/** Everything that is wrong in a configuration. Names are checked even where something else is wrong. */
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
  const { made, mistakes: inside } = makeKnown(ownConfigsIn(fields), sourceOf);
  const mistakes = [...(problems.length > 0 ? [new InvalidConfigError(problems)] : []), ...inside];
  return { mistakes: [...mistakes, ...duplicates, ...unknown], made };
}

/** What engines are to be made of, as far as it can be told beside mistakes. */
function ownConfigsIn(fields: Readonly<Record<string, unknown>>): OwnConfig[] {
  const { engines, engine = defaultEngineType } = fields;
  if (engines === undefined) {
    if (typeof engine !== 'string') return [];
    const right = Object.entries(singleEngineEntries).flatMap(([field, entry]) => {
      const result = v.safeParse(entry, fields[field]);
      return result.success ? [[field, result.output] as const] : [];
    });
    const config = given(Object.fromEntries(right));
    return [{ index: 0, name: defaultName, type: engine, config, isShared: true }];
  }
  if (!Array.isArray(engines)) return [];
  return engines.flatMap((one: unknown, index) => {
    const { name, type, config = {}, engine: made } = isRecord(one) ? one : {};
    if (typeof name !== 'string' || typeof type !== 'string' || !isRecord(config) || made !== undefined)
      return [];
    return [{ index, name, type, config, isShared: false }];
  });
}

/** What stands under a field in each item of a list; undefined where it is no name. */
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
