import type { ConsumerLag } from '@polybus/core';
import { type Engine, createEngine, createEvent } from '@polybus/core/engine';

/** An engine whose broker returns the answers of the test. */
export function laggingEngine(broker: {
  lag: () => Promise<readonly ConsumerLag[]>;
  ping: () => Promise<void>;
  send?: () => Promise<void>;
  describe?: () => { status: 'degraded' };
}): Engine {
  return createEngine({
    type: 'lagging',
    capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: async () => ({
      close: () => Promise.resolve(),
      send: () => broker.send?.() ?? Promise.resolve(),
      listen: () => Promise.resolve({ stop: () => Promise.resolve() }),
      lag: () => broker.lag(),
      ping: () => broker.ping(),
      describe: () => broker.describe?.() ?? {},
    }),
  });
}

/** An engine whose broker has one event for each subscription, and would deliver it again. */
export function redelivering(): Engine {
  return createEngine({
    type: 'redelivering',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: async () => ({
      close: () => Promise.resolve(),
      send: () => Promise.resolve(),
      listen: ({ pattern }, receiver) => {
        const event = createEvent({ topic: pattern, payload: 1 });
        receiver.deliver(event, { settled: () => {}, release: () => true });
        return Promise.resolve({ stop: () => Promise.resolve() });
      },
    }),
  });
}
