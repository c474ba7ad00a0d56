import type { Logger } from '@polybus/core';
import kafkajs from 'kafkajs';
import type { KafkaClient } from './kafka-client.ts';
import { noRetries } from './kafkajs/connection/connections.ts';
import { KafkajsLibrary } from './kafkajs/library.ts';
import { logTo } from './kafkajs/log.ts';
import { Sockets } from './kafkajs/connection/sockets.ts';
import { PlatformaticLibrary } from './platformatic/library.ts';
import { loadPackage } from './platformatic/package.ts';
import type { Library } from './protocol/broker.ts';
import { ClusterClient } from './protocol/cluster-client.ts';
import type { ConnectionOptions, KafkaOptions } from '../options/options.ts';

/** The longest time that the client library may take for one connection, in milliseconds. */
const maxSocketMs = 5000;

/**
 * Creates the client of an engine, over the client library that is configured.
 *
 * @throws {@link MissingPackageError} if the library is not installed.
 */
export async function createClient(
  options: KafkaOptions,
  logger: Logger,
  engine: string,
): Promise<KafkaClient> {
  const { connection, producer, consumer } = options;
  const library = await libraryOf(connection, producer.requestTimeoutMs, logger, engine);
  return new ClusterClient(library, {
    producer,
    connectTimeoutMs: connection.connectTimeoutMs,
    readUncommitted: consumer.readUncommitted,
    sessionTimeoutMs: consumer.sessionTimeoutMs,
    rebalanceTimeoutMs: consumer.rebalanceTimeoutMs,
  });
}

async function libraryOf(
  { client, brokers, clientId, ssl, sasl, connectTimeoutMs }: ConnectionOptions,
  requestTimeout: number,
  logger: Logger,
  engine: string,
): Promise<Library> {
  const socketMs = Math.min(connectTimeoutMs, maxSocketMs);
  if (client === 'platformatic') {
    const options = { clientId, ssl, sasl, connectMs: socketMs };
    return new PlatformaticLibrary(await loadPackage(engine), brokers, options, requestTimeout);
  }
  if (client !== 'kafkajs') return new KafkajsLibrary(client, undefined);
  const sockets = new Sockets();
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: socketMs,
    authenticationTimeout: socketMs,
    requestTimeout,
    retry: noRetries,
    logLevel: kafkajs.logLevel.WARN,
    logCreator: logTo(logger),
    socketFactory: sockets.factory,
  });
  return new KafkajsLibrary(kafka, sockets);
}
