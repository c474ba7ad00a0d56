/**
 * Names of the OpenTelemetry semantic conventions for messaging, version 1.44.0
 * (https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0/docs/messaging), whose status is "development".
 */
import type { Attributes } from '@opentelemetry/api';
import { PolybusError } from '@polybus/core';

export const schemaUrl = 'https://opentelemetry.io/schemas/1.44.0';

export const attribute = {
  system: 'messaging.system',
  /** The new name of `messaging.system` since version 1.45.0. */
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

/** Attributes that the conventions do not define. */
export const ownAttribute = {
  engine: 'polybus.engine',
  subscription: 'polybus.subscription',
  /** The number of the attempt; the first is 1. */
  attempt: 'polybus.attempt',
  /** True for an attempt that released its event. */
  released: 'polybus.released',
} as const;

export const metric = {
  operationDuration: 'messaging.client.operation.duration',
  sent: 'messaging.client.sent.messages',
  processDuration: 'messaging.process.duration',
  consumed: 'messaging.client.consumed.messages',
} as const;

/** The recommended bucket boundaries of "Metric: messaging.client.operation.duration", in seconds. */
export const durationBoundaries: number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

export type Operation = 'send' | 'process';

/** The `messaging.system` of an engine type. For other types it is the type itself, as the conventions allow. */
const systems: Readonly<Record<string, string>> = { kinesis: 'aws.kinesis', 'durable-memory': 'memory' };

export function systemOf(engineType: string): string {
  return systems[engineType] ?? engineType;
}

/** The attributes of every span and metric of an operation. */
export function operationAttributes(operation: Operation, system: string): Attributes {
  return {
    [attribute.system]: system,
    [attribute.systemName]: system,
    [attribute.operationName]: operation,
    [attribute.operationType]: operation,
  };
}

/** Returns the `error.type`, with low cardinality: the code of a PolybusError, or else the name of the error. */
export function errorTypeOf(error: unknown): string {
  try {
    if (PolybusError.is(error)) return error.code;
    if (error instanceof Error) return error.constructor.name || '_OTHER';
  } catch {
    // The error throws when its properties are read.
  }
  return '_OTHER';
}
