import { randomUUID } from 'node:crypto';
import { Consumer, type Message as PlatformaticMessage, Producer } from '@platformatic/kafka';
import { decodeStructured, encodeStructured } from '@polybus/core/cloudevents';
import { createEvent } from '@polybus/core/engine';
import kafkajs from 'kafkajs';
import type { Message } from 'kafkajs';
import { user as payload } from './harness/payloads.ts';

/** One contender: what publishes events and what receives them. */
export interface Side {
  publish(topic: string, key: string): Promise<unknown>;
  /** Calls back for each decoded event, including events that were published before the call. */
  listen(topic: string, onEvent: () => void): Promise<void>;
  close(): Promise<unknown>;
}

const source = 'bench';
const contentType = 'application/cloudevents+json';
/** How long a fetch waits for events, in milliseconds. */
export const maxWaitMs = 250;

export function kafkajsClient(brokers: readonly string[]): InstanceType<typeof kafkajs.Kafka> {
  return new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
}

/** Collects the events of one turn of the event loop. Sends the next batch after the answer to the previous batch. */
class Batches<T> {
  readonly #send: (topic: string, messages: T[]) => Promise<unknown>;
  #waiting: { message: T; resolve: () => void }[] = [];
  #isSending = false;

  constructor(send: (topic: string, messages: T[]) => Promise<unknown>) {
    this.#send = send;
  }

  add(topic: string, message: T): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ message, resolve });
      if (!this.#isSending) {
        this.#isSending = true;
        queueMicrotask(() => void this.#flush(topic));
      }
    });
  }

  async #flush(topic: string): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#send(
        topic,
        batch.map(({ message }) => message),
      );
      for (const { resolve } of batch) resolve();
    }
    this.#isSending = false;
  }
}

/** kafkajs by hand. The producer sends the events of one turn of the event loop with one `sendBatch`. */
export async function byHand(brokers: readonly string[]): Promise<Side> {
  const client = kafkajsClient(brokers);
  const producer = client.producer({
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const consumer = client.consumer({ groupId: `bench-${randomUUID()}`, maxWaitTimeInMs: maxWaitMs });
  const batches = new Batches<Message>((topic, messages) =>
    producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages }] }),
  );
  return {
    publish: (topic, key) => {
      const value = encodeStructured(createEvent({ topic, payload, key }), { source });
      return batches.add(topic, { key, value, headers: { 'content-type': contentType } });
    },
    listen: async (topic, onEvent) => {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      const { GROUP_JOIN } = consumer.events;
      const joined = new Promise<unknown>(
        (resolve) => void consumer.on(GROUP_JOIN, (event) => resolve(event)),
      );
      await consumer.run({
        autoCommitInterval: 1000,
        autoCommitThreshold: 1000,
        eachBatch: (given) => {
          for (const message of given.batch.messages) {
            decodeStructured(message.value!.toString(), { topic });
            onEvent();
            given.resolveOffset(message.offset);
          }
          return Promise.resolve();
        },
      });
      await joined;
    },
    close: async () => Promise.all([producer.disconnect(), consumer.disconnect()]),
  };
}

/** `@platformatic/kafka` by hand, in the same way. */
export async function platformatic(brokers: readonly string[]): Promise<Side> {
  const client = { clientId: 'bench', bootstrapBrokers: [...brokers] };
  const producer = new Producer<string, string, string, string>({
    ...client,
    serializers: { key: toBytes, value: toBytes, headerKey: toBytes, headerValue: toBytes },
  });
  const consumer = new Consumer({ ...client, groupId: `bench-${randomUUID()}` });
  const batches = new Batches<{ topic: string; key: string; value: string; headers: Record<string, string> }>(
    (_, messages) => producer.send({ acks: -1, messages }),
  );
  // The stream has to be closed before the consumer.
  const streams: { close(): Promise<void> }[] = [];
  return {
    publish: (topic, key) => {
      const value = encodeStructured(createEvent({ topic, payload, key }), { source });
      return batches.add(topic, { topic, key, value, headers: { 'content-type': contentType } });
    },
    listen: async (topic, onEvent) => {
      const stream = await consumer.consume({
        topics: [topic],
        mode: 'earliest',
        autocommit: 1000,
        maxWaitTime: maxWaitMs,
        highWaterMark: 1024,
      });
      streams.push(stream);
      stream.on('data', ({ value }: PlatformaticMessage<Buffer, Buffer, Buffer, Buffer>) => {
        decodeStructured(value.toString(), { topic });
        onEvent();
      });
    },
    close: async () => {
      for (const stream of streams) await stream.close();
      await Promise.all([producer.close(), consumer.close()]);
    },
  };
}

function toBytes(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text);
}
