import type { EngineHost, ListenRequest, Receiver, Transport } from '../src/index.ts';

/** A transport that does nothing, and gives the test what its subscriptions receive by. */
export class ManualTransport implements Transport {
  readonly receivers: Receiver[] = [];
  readonly requests: ListenRequest[] = [];

  open(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  send(): void {}

  listen(request: ListenRequest, receiver: Receiver): Promise<{ stop: () => Promise<void> }> {
    this.requests.push(request);
    this.receivers.push(receiver);
    return Promise.resolve({ stop: () => Promise.resolve() });
  }
}

/** A host that says nothing, whose dead letters go where the test says. */
export function quietHost(publishDeadLetter: EngineHost['publishDeadLetter']): EngineHost {
  const silent = (): void => {};
  return {
    name: 'test',
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    source: 'test',
    observer: { active: false, received: silent, failed: silent, missed: silent },
    publishDeadLetter,
  };
}

/** Lets everything that can go on without a timer go on. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
