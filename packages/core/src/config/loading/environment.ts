import { closest, nearest } from '../../errors/suggest.ts';
import type { EventBusConfig } from '../event-bus-config.ts';
import { type ConfigProblem, InvalidConfigError } from '../../errors/config-errors.ts';
import { isEngineVariable, readEngineConfig } from './engine-variables.ts';
import type { Environment } from './sources.ts';
import type { Typed } from './substitute.ts';

/** Readers leave a text of the wrong kind unchanged, and validation then says what is expected. */
const asText = (value: string): string => value;
const asNumber = (value: string): unknown => (/^[+-]?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value);
const flags: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);
const asFlag = (value: string): unknown => flags.get(value.toLowerCase()) ?? value;

/** The fields that environment variables can set, and how each is read. */
export const variables: Readonly<
  Record<string, readonly [field: keyof EventBusConfig, (value: string) => unknown]>
> = {
  ENGINE: ['engine', asText],
  MAX_EVENT_QUEUE_SIZE: ['maxEventQueueSize', asNumber],
  MAX_DURABLE_QUEUE_DEPTH: ['maxDurableQueueDepth', asNumber],
  DEFAULT_EVENT_BUFFER_SIZE: ['defaultEventBufferSize', asNumber],
  WORKER_COUNT: ['workerCount', asNumber],
  DELIVERY_MODE: ['deliveryMode', asText],
  PUBLISH_BLOCK_TIMEOUT: ['publishBlockTimeout', asNumber],
  ROTATE_SUBSCRIBER_ORDER: ['rotateSubscriberOrder', asFlag],
  EVENT_TTL: ['eventTTL', asNumber],
  RETENTION_DAYS: ['retentionDays', asNumber],
  EXTERNAL_BROKER_URL: ['externalBrokerURL', asText],
  EXTERNAL_BROKER_USER: ['externalBrokerUser', asText],
  EXTERNAL_BROKER_PASSWORD: ['externalBrokerPassword', asText],
  // The Go module's name.
  SOURCE: ['source', asText],
  EVENT_SOURCE: ['source', asText],
};

/** The fields that environment variables set. */
export interface EnvironmentFields {
  readonly fields: Readonly<Record<string, unknown>>;
  /** The variable that set each field, and each field of `config`. */
  readonly variableOf: ReadonlyMap<string, string>;
  readonly typed: readonly Typed[];
  readonly errors: readonly InvalidConfigError[];
  /** Variables with the prefix that set no field; they may belong to another program. */
  readonly unknown: readonly UnknownVariable[];
}

/** A variable with the prefix that sets no field. */
export interface UnknownVariable {
  readonly name: string;
  /** The known variable with the most similar name. */
  readonly nearest: string | undefined;
}

/**
 * Reads the fields that environment variables set. An empty variable sets nothing. A variable whose name is close to a known name is a
 * mistake.
 */
export function readEnvironment(environment: Environment, prefix: string): EnvironmentFields {
  const fields: Record<string, unknown> = {};
  const variableOf = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  for (const [name, [field, read]] of Object.entries(variables)) {
    const value = environment[prefix + name]?.trim();
    if (value === undefined || value === '') continue;
    const other = variableOf.get(field);
    if (other !== undefined && fields[field] !== read(value)) {
      const message = `it sets the same field as ${other}, to another value; unset one of the two`;
      problems.push({ path: prefix + name, message });
    }
    fields[field] = read(value);
    variableOf.set(field, prefix + name);
  }
  const engine = readEngineConfig(environment, prefix);
  if (engine.config !== undefined) fields['config'] = engine.config;
  for (const [field, name] of engine.variableOf) variableOf.set(field, name);
  const unknown: UnknownVariable[] = [];
  for (const name of prefix === '' ? [] : Object.keys(environment)) {
    const rest = name.slice(prefix.length);
    if (!name.startsWith(prefix) || Object.hasOwn(variables, rest) || isEngineVariable(name, prefix))
      continue;
    const meant = closest(rest, Object.keys(variables));
    if (meant === undefined) {
      const like = nearest(rest, Object.keys(variables));
      unknown.push({ name, nearest: like === undefined ? undefined : prefix + like });
    } else {
      problems.push({
        path: name,
        message: `there is no variable "${name}"; did you mean "${prefix}${meant}"?`,
      });
    }
  }
  return {
    fields,
    variableOf,
    typed: engine.typed,
    errors: problems.length > 0 ? [new InvalidConfigError(problems)] : [],
    unknown,
  };
}
