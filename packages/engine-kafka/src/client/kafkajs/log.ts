import type { Logger } from '@polybus/core';
import kafkajs from 'kafkajs';
import type { logCreator as LogCreator } from 'kafkajs';

/** The fields of kafkajs's messages that are logged. Others may hold payloads. */
const shownFields = ['broker', 'error', 'groupId', 'retryCount', 'retryTime'] as const;

/**
 * Logs the messages of kafkajs for debugging only, because it also logs failures that a retry repairs. The engine logs what a user
 * has to know.
 */
export function logTo(logger: Logger): LogCreator {
  return () =>
    ({ level, namespace, log }) => {
      if (logger.debug === undefined || level > kafkajs.logLevel.WARN) return;
      const fields: Record<string, unknown> = {};
      for (const name of shownFields) if (log[name] !== undefined) fields[name] = String(log[name]);
      logger.debug(`kafkajs ${namespace}: ${log.message}`, fields);
    };
}
