/**
 * Names of the OpenTelemetry semantic conventions for messaging, version 1.44.0
 * (https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0/docs/messaging), whose status is "development".
 */
import type { Attributes } from '@opentelemetry/api';
import { PolybusError } from '@polybus/core';

export const schemaUrl = 'https://opentelemetry.io/schemas/1.44.0';

export const attribute = {
  system: 'messaging.system',
  /** What version 1.45.0 renames `messaging.system` to. */
  systemName: 'messaging.system.name',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destinationName: 'messaging.destination.name',
  destinationTemplate: 'messaging.destination.template',
  groupName: 'messaging.consumer.group.name',
  messageId: 'messaging.message.id',
  batchCount: 'messaging.batch.message_count',
  kafkaKey: 'messaging.kafka.message.key',
  errorType: 'error.type',
} as const;

/** What the conventions have no name for. */
export const ownAttribute = {
  engine: 'polybus.engine',
  subscription: 'polybus.subscription',
  /** 1 for the first. */
  attempt: 'polybus.attempt',
  /** True for an attempt that gave its event back. */
  released: 'polybus.released',
} as const;

export const metric = {
  operationDuration: 'messaging.client.operation.duration',
  sent: 'messaging.client.sent.messages',
  processDuration: 'messaging.process.duration',
  consumed: 'messaging.client.consumed.messages',
} as const;

/** "Metric: messaging.client.operation.duration": what the boundaries should be, in seconds. */
export const durationBoundaries: number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

export type Operation = 'send' | 'process';

/** `messaging.system` by an engine's type; any other is its type, as the conventions allow. */
const systems: Readonly<Record<string, string>> = { kinesis: 'aws.kinesis', 'durable-memory': 'memory' };

export function systemOf(engineType: string): string {
  return systems[engineType] ?? engineType;
}

/** What every span and metric of an operation has. */
export function operationAttributes(operation: Operation, system: string): Attributes {
  return {
    [attribute.system]: system,
    [attribute.systemName]: system,
    [attribute.operationName]: operation,
    [attribute.operationType]: operation,
  };
}

/** `error.type`, of low cardinality: the code of an error of polybus, else the name of its class. */
export function errorTypeOf(error: unknown): string {
  try {
    if (PolybusError.is(error)) return error.code;
    if (error instanceof Error) return error.constructor.name || '_OTHER';
  } catch {
    // It throws while it is looked at.
  }
  return '_OTHER';
}
