import { expect, onTestFinished, test } from 'vitest';
import type { SubscribeOptions } from '../../src/index.ts';
import {
  type Acknowledgement,
  type Engine,
  type Receiver,
  type Transport,
  createEngine,
  createEvent,
} from '../../src/engine/index.ts';

/** The test is the broker of one subscription. `said` lists the calls of the transport and the handler, in order. */
async function subscribed(
  handler: () => Promise<void> | void,
  options: SubscribeOptions,
): Promise<{ engine: Engine; receiver: Receiver; said: string[]; acknowledgement: Acknowledgement }> {
  let receiver!: Receiver;
  const transport: Transport = {
    close: async () => {},
    send: () => {},
    listen: async (_, given) => {
      receiver = given;
      return { stop: async () => {} };
    },
  };
  const engine = createEngine({
    type: 'hand',
    capabilities: { durable: true, groups: true, replay: false, partitioned: false, crossProcess: true },
    open: async () => transport,
    defaults: { deadLetter: false },
  });
  onTestFinished(() => engine.stop({ timeoutMs: 0 }).catch(() => {}));
  await engine.start();
  const said: string[] = [];
  const acknowledgement: Acknowledgement = {
    begun: (attempt) => void said.push(`begun ${attempt}`),
    settled: () => void said.push('settled'),
    release: () => said.push('released') > 0,
  };
  await engine.subscribe(
    'a',
    (_, { attempt }) => {
      said.push(`handler ${attempt}`);
      return handler();
    },
    options,
  );
  return { engine, receiver, said, acknowledgement };
}

const event = createEvent({ topic: 'a', payload: 1 });

test('the transport is notified before each attempt, including retries', async () => {
  let failures = 2;
  const retry = { attempts: 5, backoff: { initialMs: 1, jitter: 'none' } } as const;
  const { receiver, said, acknowledgement } = await subscribed(
    () => {
      if (failures-- > 0) throw new Error('no');
    },
    { retry },
  );
  receiver.deliver(event, acknowledgement);
  await expect.poll(() => said.at(-1), { timeout: 20_000 }).toBe('settled');
  expect(said).toEqual(['begun 1', 'handler 1', 'begun 2', 'handler 2', 'begun 3', 'handler 3', 'settled']);
});

test('attempts of earlier deliveries count', async () => {
  const { receiver, said, acknowledgement } = await subscribed(() => {}, { retry: { attempts: 3 } });
  receiver.deliver(event, acknowledgement, 2);
  expect(said).toEqual(['begun 3', 'handler 3', 'settled']);
});

test('an event without attempts left fails without a call of the handler', async () => {
  const { engine, receiver, said, acknowledgement } = await subscribed(() => {}, { retry: { attempts: 3 } });
  receiver.deliver(event, acknowledgement, 3);
  expect(said).toEqual(['settled']);
  expect(engine.stats()).toMatchObject({ delivered: 1, failed: 1 });
});

test('releasing an event that waits behind another reports no attempt to the transport', async () => {
  let end!: () => void;
  const gate = new Promise<void>((resolve) => (end = resolve));
  const { engine, receiver, said, acknowledgement } = await subscribed(() => gate, { retry: false });
  const other: string[] = [];
  receiver.deliver(event, acknowledgement);
  receiver.deliver(createEvent({ topic: 'a', payload: 2, key: 'of its own' }), {
    begun: (attempt) => void other.push(`begun ${attempt}`),
    settled: () => void other.push('settled'),
    release: () => other.push('released') > 0,
  });
  const stopping = engine.stop();
  await expect.poll(() => other, { timeout: 20_000 }).toEqual(['released']);
  end();
  await stopping;
  expect(said).toEqual(['begun 1', 'handler 1', 'settled']);
  expect(other).toEqual(['released']);
});
