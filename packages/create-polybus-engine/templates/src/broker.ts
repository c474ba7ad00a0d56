import { EventEmitter } from 'node:events';

const brokers = new Map<string, Broker>();

/** A stand-in for a broker: carries bytes to every engine of this process, and keeps nothing. Your client takes its place. */
export class Broker extends EventEmitter<{ record: [topic: string, bytes: Uint8Array] }> {
  isUp = true;

  /** The broker at an address: the same one for all who ask for it. */
  static at(url: string): Broker {
    let broker = brokers.get(url);
    if (broker === undefined) brokers.set(url, (broker = new Broker()));
    return broker;
  }

  constructor() {
    super();
    this.setMaxListeners(0);
  }

  assertUp(): void {
    if (!this.isUp) throw new Error('the broker does not answer');
  }

  /** Takes a record, and hands it to whoever listens, as over a wire: after the call. */
  append(topic: string, bytes: Uint8Array): void {
    this.assertUp();
    queueMicrotask(() => this.emit('record', topic, bytes));
  }
}
