import { type Event, PublishError, UndecodableRecordError } from '@polybus/core';
import { decodeRecord, encodeStructured } from '@polybus/core/cloudevents';
import {
  type Acknowledgement,
  type ListenRequest,
  type Listener,
  type Receiver,
  type Transport,
  type TransportContext,
  matchesTopic,
} from '@polybus/core/engine';
import { Broker } from './broker.ts';
import type { __Prefix__Options } from './options.ts';

/** Sends events to the broker and receives them. Core does the rest: attempts, order, dead letters and statistics. */
export class __Prefix__Transport implements Transport {
  readonly #broker: Broker;
  readonly #source: string;

  private constructor(broker: Broker, source: string) {
    this.#broker = broker;
    this.#source = source;
  }

  /** Opens the connection to the broker, or rejects if it cannot be reached. */
  static async open({ url }: __Prefix__Options, { source }: TransportContext): Promise<__Prefix__Transport> {
    const broker = new Broker(url);
    broker.assertUp();
    return new __Prefix__Transport(broker, source);
  }

  async close(): Promise<void> {}

  async send(event: Event): Promise<void> {
    try {
      this.#broker.append(event.topic, Buffer.from(encodeStructured(event, { source: this.#source })));
    } catch (cause) {
      throw new PublishError(`The broker did not accept an event on "${event.topic}".`, {
        topic: event.topic,
        cause,
      });
    }
  }

  async listen({ pattern }: ListenRequest, receiver: Receiver): Promise<Listener> {
    const onRecord = (topic: string, bytes: Uint8Array): void => {
      if (matchesTopic(pattern, topic)) handOver(topic, bytes, receiver);
    };
    const stop = this.#broker.listen(onRecord);
    return { stop: async () => stop() };
  }

  async ping(): Promise<void> {
    this.#broker.assertUp();
  }
}

/** The broker expects no acknowledgement and delivers nothing again. */
const noAcknowledgement: Acknowledgement = { settled: () => {}, release: () => false };

function handOver(topic: string, bytes: Uint8Array, receiver: Receiver): void {
  try {
    const event = decodeRecord({ body: bytes }, { topic });
    if (receiver.capacity > 0) receiver.deliver(event, noAcknowledgement);
    else receiver.drop(event, 'buffer-full');
  } catch (error) {
    if (!(error instanceof UndecodableRecordError)) throw error;
    receiver.undecodable({ topic, bytes, error }, noAcknowledgement);
  }
}
