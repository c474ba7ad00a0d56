import type { Logger } from '@polybus/core';
import kafkajs from 'kafkajs';
import type { logCreator as LogCreator } from 'kafkajs';

/** What kafkajs says of connections and answers; the engine tells the user itself where something matters. */
const shownFields = ['broker', 'error', 'groupId', 'retryCount', 'retryTime'] as const;

/**
 * kafkajs logs each failure that it, or the engine, then gets over: nothing that a user has to look at. So all of it is for
 * debugging. Fields are chosen, since others may hold payloads.
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
