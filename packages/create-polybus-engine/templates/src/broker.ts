import { EventEmitter } from 'node:events';

const brokers = new Map<string, Broker>();

/** A stand-in for a broker: passes bytes to every engine of this process, and stores nothing. Replace it with your client. */
export class Broker extends EventEmitter<{ record: [topic: string, bytes: Uint8Array] }> {
  isUp = true;

  /** The broker at an address. Each call with the same address returns the same broker. */
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

  /** Accepts a record. Listeners get it after the call, as over a network. */
  append(topic: string, bytes: Uint8Array): void {
    this.assertUp();
    queueMicrotask(() => this.emit('record', topic, bytes));
  }
}
