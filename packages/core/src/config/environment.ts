import { closest } from './suggest.ts';
import type { EventBusConfig } from './event-bus-config.ts';
import { type ConfigProblem, InvalidConfigError } from '../errors.ts';

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Text stays as it is where it is not of the kind: the check of the configuration then says what is expected. */
const asText = (value: string): string => value;
const asNumber = (value: string): unknown => (/^[+-]?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value);
const flags: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false };
const asFlag = (value: string): unknown => flags[value.toLowerCase()] ?? value;

/** The fields that environment variables set, and how each is read. */
export const variables: Readonly<
  Record<string, readonly [field: keyof EventBusConfig, (value: string) => unknown]>
> = {
  ENGINE: ['engine', asText],
  MAX_EVENT_QUEUE_SIZE: ['maxEventQueueSize', asNumber],
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
  EVENT_SOURCE: ['source', asText],
};

/** What the environment sets. */
export interface EnvironmentFields {
  readonly fields: Readonly<Record<string, unknown>>;
  /** The variable that set each field. */
  readonly variableOf: ReadonlyMap<string, string>;
  readonly errors: readonly InvalidConfigError[];
}

/** Reads the fields that environment variables set. An empty variable sets nothing. */
export function readEnvironment(environment: Environment, prefix: string): EnvironmentFields {
  const fields: Record<string, unknown> = {};
  const variableOf = new Map<string, string>();
  for (const [name, [field, read]] of Object.entries(variables)) {
    const value = environment[prefix + name]?.trim();
    if (value === undefined || value === '') continue;
    fields[field] = read(value);
    variableOf.set(field, prefix + name);
  }
  const problems = prefix === '' ? [] : misspelt(environment, prefix);
  return { fields, variableOf, errors: problems.length > 0 ? [new InvalidConfigError(problems)] : [] };
}

/** Only those near a name of ours: others may share the prefix. */
function misspelt(environment: Environment, prefix: string): ConfigProblem[] {
  return Object.keys(environment).flatMap((name) => {
    const rest = name.slice(prefix.length);
    if (!name.startsWith(prefix) || Object.hasOwn(variables, rest)) return [];
    const meant = closest(rest, Object.keys(variables));
    if (meant === undefined) return [];
    return [{ path: name, message: `there is no variable "${name}"; did you mean "${prefix}${meant}"?` }];
  });
}
