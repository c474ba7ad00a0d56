import { expect, test } from 'vitest';
import { type Engine, type Transport, createEngine, createEvent } from '../../src/engine/index.ts';
import { ManualTransport, quietHost, turn } from '../transport-support.ts';

const capabilities = {
  durable: true,
  groups: false,
  replay: false,
  partitioned: false,
  crossProcess: true,
} as const;

function makeEngine(transport: ManualTransport): Engine {
  const engine = createEngine({ type: 'test', capabilities, open: (context) => transport.open(context) });
  engine.attach!(quietHost(() => Promise.resolve()));
  return engine;
}

test('a transport that throws when it is notified of an attempt or of room ends no subscription', async () => {
  const transport = new ManualTransport();
  const engine = makeEngine(transport);
  await engine.start();
  const seen: number[] = [];
  await engine.subscribe<number>('t', ({ payload }) => void seen.push(payload), { bufferSize: 1 });
  const receiver = transport.receiver('t');
  receiver.onRoom = () => {
    throw new Error('no');
  };
  const acknowledgement = {
    begun: () => {
      throw new Error('no');
    },
    settled: () => {},
    release: () => true,
  };
  for (const n of [1, 2, 3]) receiver.deliver(createEvent({ topic: 't', payload: n }), acknowledgement);
  await turn();
  expect(seen).toEqual([1, 2, 3]);
  expect(engine.stats()).toMatchObject({ delivered: 3, pending: 0 });
  await engine.stop();
});

test('stop ends at its timeout during a start whose broker does not answer', async () => {
  const transport = new ManualTransport();
  let closes = 0;
  let answer!: (transport: Transport) => void;
  let signal!: AbortSignal;
  transport.open = (context) => {
    ({ signal } = context);
    return new Promise((resolve) => (answer = resolve));
  };
  transport.close = () => {
    closes++;
    return Promise.resolve();
  };
  const engine = makeEngine(transport);
  const starting = engine.start().catch((error: unknown) => error);
  await engine.stop({ timeoutMs: 20 });
  expect(await starting).toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
  expect(signal.aborted).toBe(true);
  // A transport that opens after all is closed.
  answer(transport);
  await expect.poll(() => closes).toBe(1);
  // Nothing of it is left: the engine can be started, once its broker answers.
  transport.open = () => Promise.resolve(transport);
  await engine.start();
  await engine.stop();
});
