import { type ConfigProblem, InvalidConfigError } from '@polybus/core';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { SASLOptions } from 'kafkajs';

type Properties = Readonly<Record<string, string>>;

interface Maps {
  readonly security?: Properties | undefined;
  readonly producer?: Properties | undefined;
  readonly consumer?: Properties | undefined;
}

/** The value of a property is invalid. The message says what is expected. */
class Problem extends Error {}

const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Problem('a whole number of at least 0');
  return value;
};
const flag = (text: string): boolean => {
  if (text !== 'true' && text !== 'false') throw new Problem('"true" or "false"');
  return text === 'true';
};
const choiceOf =
  <T>(values: Readonly<Record<string, T>>) =>
  (text: string): T => {
    const value = values[text.toLowerCase()];
    if (value === undefined) throw new Problem(`one of ${Object.keys(values).join(', ')}`);
    return value;
  };
const file = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Problem('the path of a file that can be read');
  }
};
const asIs = (text: string): string => text;

type Reader = readonly [option: string, read: (text: string) => unknown];

/** Names as in Kafka's "Producer Configs", with the option for each. */
const producerProperties: Readonly<Record<string, Reader>> = {
  acks: ['acks', choiceOf({ all: -1, '-1': -1, '0': 0, '1': 1 })],
  'compression.type': [
    'compression',
    choiceOf({ none: 'none', gzip: 'gzip', snappy: 'snappy', lz4: 'lz4', zstd: 'zstd' }),
  ],
  'enable.idempotence': ['idempotent', flag],
  'linger.ms': ['lingerMs', number],
  'request.timeout.ms': ['publishTimeoutMs', number],
  'delivery.timeout.ms': ['publishTimeoutMs', number],
};

/** Names as in Kafka's "Consumer Configs". */
const consumerProperties: Readonly<Record<string, Reader>> = {
  'session.timeout.ms': ['sessionTimeoutMs', number],
  'heartbeat.interval.ms': ['heartbeatIntervalMs', number],
  'max.poll.interval.ms': ['rebalanceTimeoutMs', number],
  'auto.commit.interval.ms': ['commitIntervalMs', number],
  'fetch.max.wait.ms': ['fetchMaxWaitMs', number],
  'fetch.max.bytes': ['fetchMaxBytes', number],
  'max.partition.fetch.bytes': ['fetchMaxBytesPerPartition', number],
  'isolation.level': ['readUncommitted', choiceOf({ read_committed: false, read_uncommitted: true })],
};

const mechanism = choiceOf({
  plain: 'plain',
  'scram-sha-256': 'scram-sha-256',
  'scram-sha-512': 'scram-sha-512',
});

/** Names as in librdkafka's configuration. Keys and certificates are PEM files. */
const securityProperties: Readonly<Record<string, Reader>> = {
  'security.protocol': [
    'protocol',
    choiceOf({ plaintext: 'plaintext', ssl: 'ssl', sasl_plaintext: 'sasl_plaintext', sasl_ssl: 'sasl_ssl' }),
  ],
  'sasl.mechanism': ['mechanism', mechanism],
  'sasl.mechanisms': ['mechanism', mechanism],
  'sasl.username': ['username', asIs],
  'sasl.password': ['password', asIs],
  'ssl.ca.location': ['ca', file],
  'ssl.certificate.location': ['cert', file],
  'ssl.key.location': ['key', file],
  'ssl.key.password': ['passphrase', asIs],
};

/**
 * The options for the property maps of the Go module. An option under its own name overrides them.
 *
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function propertiesOf({ security, producer, consumer }: Maps, path: string): Record<string, unknown> {
  const problems: ConfigProblem[] = [];
  const read = (name: string, given: Properties = {}, known: Readonly<Record<string, Reader>>) =>
    readAll(given, known, `${path}.${name}`, problems);
  const options = {
    ...read('producer', producer, producerProperties),
    ...read('consumer', consumer, consumerProperties),
    ...securityOf(read('security', security, securityProperties), `${path}.security`, problems),
  };
  if (problems.length > 0) throw new InvalidConfigError(problems);
  return options;
}

function readAll(
  given: Properties,
  known: Readonly<Record<string, Reader>>,
  path: string,
  problems: ConfigProblem[],
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(given)) {
    const reader = Object.hasOwn(known, name) ? known[name] : undefined;
    if (reader === undefined) {
      const message = `there is no property "${name}"; the properties are ${Object.keys(known).join(', ')}`;
      problems.push({ path, message });
      continue;
    }
    try {
      options[reader[0]] = reader[1](text);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Without the value, which may be a secret.
      problems.push({ path: `${path}["${name}"]`, message: `expected ${error.message}` });
    }
  }
  return options;
}

function securityOf(
  given: Record<string, unknown>,
  path: string,
  problems: ConfigProblem[],
): { ssl?: boolean | TlsOptions; sasl?: SASLOptions } {
  const {
    protocol,
    mechanism: named = 'plain',
    username,
    password,
    ...tls
  } = given as Record<string, string>;
  const options: { ssl?: boolean | TlsOptions; sasl?: SASLOptions } = {};
  const hasTls = Object.keys(tls).length > 0;
  if (protocol?.endsWith('ssl') === true || (protocol === undefined && hasTls))
    options.ssl = hasTls ? tls : true;
  if (protocol?.startsWith('sasl') === true || (protocol === undefined && username !== undefined)) {
    if (username === undefined || password === undefined) {
      problems.push({ path, message: 'SASL needs "sasl.username" and "sasl.password"' });
    } else {
      options.sasl = { mechanism: named as 'plain', username, password };
    }
  }
  return options;
}
