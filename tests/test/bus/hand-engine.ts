import type { ConsumerLag } from '@polybus/core';
import {
  type Engine,
  type ListenRequest,
  type Listener,
  type Receiver,
  type Transport,
  type TransportContext,
  createEngine,
} from '@polybus/core/engine';

/** An engine whose broker is the test, which decides when events are delivered. */
export class HandTransport implements Transport {
  context!: TransportContext;
  readonly receivers: Receiver[] = [];
  /** What `send` does. */
  onSend: () => Promise<void> = () => Promise.resolve();
  /** What happens before `listen` resolves. */
  onListen: (receiver: Receiver, request: ListenRequest) => Promise<void> = () => Promise.resolve();
  /** What `lag` answers. */
  onLag: () => Promise<readonly ConsumerLag[]> = () => Promise.resolve([]);

  /** Opening it. A test may replace it. */
  open: (context: TransportContext) => Promise<Transport> = async (context) => {
    this.context = context;
    return this;
  };

  async close(): Promise<void> {}

  send(): Promise<void> {
    return this.onSend();
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    this.receivers.push(receiver);
    await this.onListen(receiver, request);
    return { stop: () => Promise.resolve() };
  }

  lag(): Promise<readonly ConsumerLag[]> {
    return this.onLag();
  }
}

/** Acknowledged, or gone: there is no broker to send it again. */
export const forgotten = { settled: (): void => {}, release: (): boolean => false };

export function handEngine(transport: HandTransport): Engine {
  return createEngine({
    type: 'hand',
    capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => transport.open(context),
    defaults: { retry: { attempts: 1 }, deadLetter: false },
  });
}
