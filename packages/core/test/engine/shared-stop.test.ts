import { expect, test } from 'vitest';
import { type Engine, createEngine, createEvent } from '../../src/engine/index.ts';
import { type EventBus, createEventBus } from '../../src/index.ts';
import { ManualTransport, turn } from '../transport-support.ts';

const logger = { warn: () => {}, error: () => {} };

function engineOf(transport: ManualTransport): Engine {
  return createEngine({
    type: 'test',
    capabilities: { durable: true, groups: true, replay: false, partitioned: false, crossProcess: true },
    open: transport.open,
  });
}

function makeEngine(transport: ManualTransport): EventBus {
  return engineOf(transport);
}

function makeBus(transport: ManualTransport): EventBus {
  return createEventBus({ engines: [{ name: 'a', engine: engineOf(transport) }], logger }).untyped;
}

const kinds = [
  ['an engine', makeEngine],
  ['a bus', makeBus],
] as const;

const shorter = [
  ['timeoutMs', () => ({ timeoutMs: 0 })],
  ['signal', () => ({ signal: AbortSignal.abort() })],
] as const;

const failureOf = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => 'nothing failed',
    (error: Error) => error.message,
  );

/** With a handler that never ends. */
async function busy(make: (transport: ManualTransport) => EventBus): Promise<EventBus> {
  const transport = new ManualTransport();
  const bus = make(transport);
  await bus.start();
  await bus.subscribe('t', () => new Promise(() => {}));
  transport
    .receiver('t')
    .deliver(createEvent({ topic: 't', payload: 1 }), { settled: () => {}, release: () => true });
  return bus;
}

test.each(kinds.flatMap(([kind, make]) => shorter.map(([name, options]) => ({ kind, make, name, options }))))(
  'a second stop of $kind with an earlier $name also ends the first',
  async ({ make, options }) => {
    const bus = await busy(make);
    const first = failureOf(bus.stop({ timeoutMs: 600_000 }));
    await turn();
    await expect(bus.stop(options())).rejects.toThrow('1 handler(s) running');
    expect(await first).toMatch(/^Stopped after \d{1,4} ms/);
  },
);

test('a second stop without a timeout waits, and a later timeout does not prolong the first stop', async () => {
  const bus = await busy(makeEngine);
  const first = bus.stop({ timeoutMs: 20 });
  const others = Promise.allSettled([bus.stop(), bus.stop({ timeoutMs: 600_000 })]);
  await expect(first).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT' });
  expect((await others).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

test.each(kinds)('the signal of a second start of %s ends only the wait of that call', async (_, make) => {
  let opened!: () => void;
  const transport = new ManualTransport();
  transport.open = () => new Promise((resolve) => (opened = () => resolve(transport)));
  const bus = make(transport);
  const first = bus.start();
  const aborter = new AbortController();
  const second = failureOf(bus.start({ signal: aborter.signal }));
  await turn();
  aborter.abort(new Error('not now'));
  expect(await second).toBe('not now');
  opened();
  await first;
  await bus.stop();
});

test.each(kinds.flatMap(([kind, make]) => shorter.map(([name, options]) => ({ kind, make, name, options }))))(
  'a second stop of $kind ends the wait for a start that hangs, at its $name',
  async ({ make, options }) => {
    const transport = new ManualTransport();
    transport.open = () => new Promise(() => {});
    const bus = make(transport);
    const starting = failureOf(bus.start());
    await turn();
    const first = bus.stop({ timeoutMs: 600_000 });
    await turn();
    await bus.stop(options());
    await first;
    expect(await starting).toContain('stopping');
  },
);

test.each(kinds)('a start of %s after a stop that ends another start begins again', async (_kind, make) => {
  const transport = new ManualTransport();
  const bus = make(transport);
  const calls = [bus.start(), bus.stop(), bus.start()];
  await Promise.all(calls);
  await expect(bus.subscribe('t', () => {})).resolves.toMatchObject({ topic: 't' });
  await bus.stop();
});
