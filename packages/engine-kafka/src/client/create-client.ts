import type { Logger } from '@polybus/core';
import kafkajs from 'kafkajs';
import type { KafkaClient } from './kafka-client.ts';
import { noRetries } from './kafkajs/connection/connections.ts';
import { KafkajsLibrary } from './kafkajs/library.ts';
import { logTo } from './kafkajs/log.ts';
import { Sockets } from './kafkajs/connection/sockets.ts';
import { ClusterClient } from './protocol/cluster-client.ts';
import type { KafkaOptions } from '../options/options.ts';

/** The longest time that kafkajs may take for one connection, in milliseconds. */
const maxSocketMs = 5000;

/** Creates the client of an engine, with the user's `Kafka` of kafkajs if there is one. */
export function createClient({ connection, producer, consumer }: KafkaOptions, logger: Logger): KafkaClient {
  const { client, brokers, clientId, ssl, sasl, connectTimeoutMs } = connection;
  const options = {
    producer,
    connectTimeoutMs,
    readUncommitted: consumer.readUncommitted,
    sessionTimeoutMs: consumer.sessionTimeoutMs,
    rebalanceTimeoutMs: consumer.rebalanceTimeoutMs,
  };
  if (client !== undefined) return new ClusterClient(new KafkajsLibrary(client, undefined), options);
  const sockets = new Sockets();
  const socketMs = Math.min(connectTimeoutMs, maxSocketMs);
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: socketMs,
    authenticationTimeout: socketMs,
    requestTimeout: producer.requestTimeoutMs,
    retry: noRetries,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: logTo(logger),
    socketFactory: sockets.factory,
  });
  return new ClusterClient(new KafkajsLibrary(kafka, sockets), options);
}
