import type {
  EngineHost,
  ListenRequest,
  Receiver,
  Transport,
  TransportContext,
} from '../src/engine/index.ts';

/** A transport that does nothing, and gives the test the receivers of its subscriptions. */
export class ManualTransport implements Transport {
  readonly #receivers = new Map<string, Receiver>();

  /** Opening it, for `createEngine`. A test may replace it. */
  open: (context: TransportContext) => Promise<Transport> = () => Promise.resolve(this);

  close(): Promise<void> {
    return Promise.resolve();
  }

  send(): void {}

  listen({ pattern }: ListenRequest, receiver: Receiver): Promise<{ stop: () => Promise<void> }> {
    this.#receivers.set(pattern, receiver);
    return Promise.resolve({ stop: () => Promise.resolve() });
  }

  /** Of the subscription to a topic. */
  receiver(topic: string): Receiver {
    const found = this.#receivers.get(topic);
    if (found === undefined) throw new Error(`nobody listens to ${topic}`);
    return found;
  }
}

/** A host without logs, whose dead letters go to a function of the test. */
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

/** Runs all work that needs no timer. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
