import type { InvalidConfigError } from '@polybus/core';
import { describe, expect, test } from 'vitest';
import { engines, kafkaEngine } from '../../src/index.ts';
import { resolveOptions } from '../../src/options/options.ts';

const problemsOf = (config: unknown): string[] => {
  try {
    resolveOptions(config, 'config');
    return [];
  } catch (error) {
    return (error as InvalidConfigError).problems.map(({ path, message }) => `${path}: ${message}`);
  }
};

describe('the configuration', () => {
  test('has a default for everything', () => {
    const { connection, producer, consumer, topics, groupId } = resolveOptions({}, 'config');
    expect(connection).toMatchObject({ brokers: ['localhost:9092'], clientId: 'polybus', ssl: undefined });
    expect(producer).toMatchObject({
      contentMode: 'structured',
      acks: -1,
      idempotent: false,
      compression: 'none',
    });
    expect(consumer).toMatchObject({
      sessionTimeoutMs: 6000,
      heartbeatIntervalMs: 2000,
      commitIntervalMs: 1000,
    });
    expect(topics).toEqual({ numPartitions: -1, replicationFactor: -1, metadataRefreshMs: 2000 });
    expect(groupId).toBeUndefined();
  });

  test("accepts the Go module's fields, and its maps under Kafka's own names", () => {
    const { connection, producer, consumer, groupId } = resolveOptions(
      {
        brokers: ['a:1', 'b:2'],
        groupId: 'billing',
        security: {
          'security.protocol': 'SASL_SSL',
          'sasl.mechanism': 'SCRAM-SHA-512',
          'sasl.username': 'u',
          'sasl.password': 'p',
        },
        producer: { acks: '1', 'compression.type': 'gzip', 'linger.ms': '5', 'request.timeout.ms': '1000' },
        consumer: {
          'session.timeout.ms': '9000',
          'fetch.max.wait.ms': '10',
          'isolation.level': 'read_uncommitted',
        },
      },
      'config',
    );
    expect(groupId).toBe('billing');
    expect(connection).toMatchObject({
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' },
    });
    expect(producer).toMatchObject({ acks: 1, compression: 'gzip', lingerMs: 5, requestTimeoutMs: 1000 });
    expect(consumer).toMatchObject({
      sessionTimeoutMs: 9000,
      heartbeatIntervalMs: 3000,
      fetchMaxWaitMs: 10,
      readUncommitted: true,
    });
  });

  test('prefers an option under its own name to the same option in a map', () => {
    const options = resolveOptions(
      { acks: -1, producer: { acks: '0' }, ssl: false, security: { 'security.protocol': 'ssl' } },
      'c',
    );
    expect([options.producer.acks, options.connection.ssl]).toEqual([-1, false]);
  });

  test('accepts addresses separated by commas for a bus with one engine', () => {
    const { connection } = resolveOptions(
      { externalBrokerURL: 'kafka://a:1, b:2', externalBrokerUser: 'u', externalBrokerPassword: 'p' },
      'c',
    );
    expect(connection).toMatchObject({
      brokers: ['a:1', 'b:2'],
      sasl: { mechanism: 'plain', username: 'u', password: 'p' },
    });
  });

  test('reports every mistake with its path and the allowed values', () => {
    expect(problemsOf({ brokers: ['localhost'], acks: 2, contentMode: 'xml', broker: [] })).toEqual([
      expect.stringContaining(
        'config.brokers[0]: expected an address such as "localhost:9092", got "localhost"',
      ),
      expect.stringContaining('config.contentMode: expected "structured" or "binary"'),
      expect.stringContaining('config.acks: expected -1, 0 or 1'),
      expect.stringContaining('config.broker: there is no field "broker"; did you mean "brokers"?'),
    ]);
    expect(problemsOf({ idempotent: true, acks: 1 })).toEqual([expect.stringContaining('config.acks')]);
    expect(problemsOf({ heartbeatIntervalMs: 9000, sessionTimeoutMs: 10_000 })).toEqual([
      expect.stringContaining('config.heartbeatIntervalMs'),
    ]);
  });

  test('sets timeouts so that a rebalance is noticed, and its commits are done, before it ends', () => {
    expect(problemsOf({ heartbeatIntervalMs: 1500, rebalanceTimeoutMs: 6000 })).toEqual([
      'config.rebalanceTimeoutMs: expected at least five times heartbeatIntervalMs (1500), got 6000',
    ]);
    expect(problemsOf({ heartbeatIntervalMs: 1200, rebalanceTimeoutMs: 6000 })).toEqual([]);
    const { consumer } = resolveOptions({ rebalanceTimeoutMs: 5000 }, 'c');
    expect(consumer.heartbeatIntervalMs).toBe(1000);
  });

  test('reports mistakes in a map without the value', () => {
    const secret = 'hidden-from-you';
    const problems = problemsOf({
      security: {
        'sasl.mechanism': secret,
        'sasl.passwort': secret,
        'ssl.ca.location': `/no/such/${secret}`,
      },
      producer: { acks: 'some' },
    });
    expect(problems).toEqual([
      expect.stringContaining('config.producer["acks"]: expected one of '),
      expect.stringContaining('config.security["sasl.mechanism"]: expected one of plain'),
      expect.stringContaining('config.security: there is no property "sasl.passwort"'),
      'config.security["ssl.ca.location"]: expected the path of a file that can be read',
    ]);
    expect(problems.join()).not.toContain(secret);
    expect(problemsOf({ security: { 'security.protocol': 'sasl_plaintext' } })).toEqual([
      'config.security: SASL needs "sasl.username" and "sasl.password"',
    ]);
  });

  test('creates engines by name, with their capabilities', () => {
    const expected = {
      durable: true,
      groups: true,
      replay: true,
      partitioned: true,
      crossProcess: true,
      delay: true,
    };
    expect(kafkaEngine().capabilities).toEqual(expected);
    expect(engines['kafka']?.({}, { path: 'engines[0].config' } as never)?.type).toBe('kafka');
    expect(() => engines['kafka']?.({ brokers: 1 }, { path: 'engines[0].config' } as never)).toThrow(
      'engines[0].config.brokers',
    );
  });
});
