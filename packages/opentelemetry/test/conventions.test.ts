import * as official from '@opentelemetry/semantic-conventions/incubating';
import { expect, test } from 'vitest';
import { attribute, metric, operationAttributes } from '../src/conventions.ts';

test('every name is in the package of the OpenTelemetry conventions', () => {
  expect(attribute).toEqual({
    system: official.ATTR_MESSAGING_SYSTEM,
    systemName: official.ATTR_MESSAGING_SYSTEM_NAME,
    operationName: official.ATTR_MESSAGING_OPERATION_NAME,
    operationType: official.ATTR_MESSAGING_OPERATION_TYPE,
    destinationName: official.ATTR_MESSAGING_DESTINATION_NAME,
    destinationTemplate: official.ATTR_MESSAGING_DESTINATION_TEMPLATE,
    groupName: official.ATTR_MESSAGING_CONSUMER_GROUP_NAME,
    messageId: official.ATTR_MESSAGING_MESSAGE_ID,
    batchCount: official.ATTR_MESSAGING_BATCH_MESSAGE_COUNT,
    kafkaKey: official.ATTR_MESSAGING_KAFKA_MESSAGE_KEY,
    errorType: official.ATTR_ERROR_TYPE,
  });
  expect(metric).toEqual({
    operationDuration: official.METRIC_MESSAGING_CLIENT_OPERATION_DURATION,
    sent: official.METRIC_MESSAGING_CLIENT_SENT_MESSAGES,
    processDuration: official.METRIC_MESSAGING_PROCESS_DURATION,
    consumed: official.METRIC_MESSAGING_CLIENT_CONSUMED_MESSAGES,
  });
  expect(operationAttributes('send', 'kafka')[attribute.operationType]).toBe(
    official.MESSAGING_OPERATION_TYPE_VALUE_SEND,
  );
  expect(operationAttributes('process', 'kafka')[attribute.operationType]).toBe(
    official.MESSAGING_OPERATION_TYPE_VALUE_PROCESS,
  );
});
