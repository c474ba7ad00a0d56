import type { Kafka } from 'kafkajs';
import type { Connections, Library } from '../protocol/broker.ts';
import { openConnections } from './connection/connections.ts';
import type { Sockets } from './connection/sockets.ts';

/** Connections of kafkajs. */
export class KafkajsLibrary implements Library {
  readonly #kafka: Kafka;
  readonly #sockets: Sockets | undefined;

  /** @param sockets - Undefined if the user gave a `Kafka`, which creates its own sockets. */
  constructor(kafka: Kafka, sockets: Sockets | undefined) {
    this.#kafka = kafka;
    this.#sockets = sockets;
  }

  connections(name: string, answerMs: number): Connections {
    return openConnections(this.#kafka, name, answerMs);
  }

  close(): void {
    this.#sockets?.close();
  }
}
