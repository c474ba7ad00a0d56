import {
  type Acknowledgement,
  type Receiver,
  type TransportContext,
  createEvent,
} from '@polybus/core/engine';
import { expect, onTestFinished, test } from 'vitest';
import { MemoryTransport } from '../src/memory-transport.ts';
import { resolveOptions } from '../src/options.ts';

const context: TransportContext = {
  name: 'memory',
  source: 'test',
  logger: console,
  signal: new AbortController().signal,
  missed: () => {},
};

/** A member that releases every event and stays. */
function givingBack(onEvent: () => void): Receiver {
  const waiting: Acknowledgement[] = [];
  return {
    capacity: 10,
    isPaused: false,
    onRoom: undefined,
    mayBegin: undefined,
    deliver(event, acknowledgement) {
      this.enqueue(event, acknowledgement);
      this.run();
    },
    wants: () => true,
    enqueue: (_, acknowledgement) => void waiting.push(acknowledgement),
    run: () => {
      for (const acknowledgement of waiting.splice(0)) {
        onEvent();
        acknowledgement.release();
      }
    },
    undecodable: () => {},
    withdraw: () => {},
    drop: () => {},
    beginWait: () => true,
  };
}

test.each([1, 2])(
  '%i member(s) of a group that release an event and stay do not end the process',
  async (count) => {
    const transport = new MemoryTransport(resolveOptions({}, false, 'config'), context);
    let offered = 0;
    const listeners = await Promise.all(
      Array.from({ length: count }, () =>
        transport.listen(
          { subscriptionId: 's', pattern: 'a', isAsync: true, group: 'g', from: 'latest', concurrency: 1 },
          givingBack(() => void offered++),
        ),
      ),
    );
    onTestFinished(async () => {
      for (const listener of listeners) await listener.stop();
    });
    await transport.send(createEvent({ topic: 'a', payload: 1 }));
    await expect.poll(() => offered).toBeGreaterThan(5);
  },
);
