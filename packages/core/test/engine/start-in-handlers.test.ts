import { expect, test } from 'vitest';
import { type Engine, createEngine, createEvent } from '../../src/engine/index.ts';
import { type EventBus, createEventBus } from '../../src/index.ts';
import { ManualTransport, turn } from '../transport-support.ts';

const logger = { warn: () => {}, error: () => {} };

function makeEngine(transport: ManualTransport): Engine {
  return createEngine({
    type: 'test',
    capabilities: { durable: true, groups: true, replay: false, partitioned: false, crossProcess: true },
    open: transport.open,
  });
}

function makeBus(transport: ManualTransport): EventBus {
  return createEventBus({ engines: [{ name: 'a', engine: makeEngine(transport) }], logger }).untyped;
}

const kinds = [
  ['an engine', makeEngine],
  ['a bus', makeBus],
] as const;

/** A bus, and a function that runs work in a handler of it and returns its result. */
async function started(make: (transport: ManualTransport) => EventBus) {
  const transport = new ManualTransport();
  const bus = make(transport);
  await bus.start();
  const inHandler = async <T>(work: () => Promise<T>): Promise<T> => {
    let ended!: (result: Promise<T>) => void;
    const result = new Promise<T>((resolve) => (ended = resolve));
    await bus.subscribeAsync('t', () => {
      const working = work();
      ended(working);
      return working.catch(() => {});
    });
    transport
      .receiver('t')
      .deliver(createEvent({ topic: 't', payload: 1 }), { settled: () => {}, release: () => true });
    return result;
  };
  return { bus, inHandler };
}

test.each(kinds)(
  'start of %s rejects in a handler that a stop waits for, also while another caller waits to start it',
  async (_, make) => {
    const { bus, inHandler } = await started(make);
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const starting = inHandler(async () => {
      await gate;
      await bus.start();
    });
    await turn();
    const stopping = bus.stop({ timeoutMs: 600_000 });
    const outside = bus.start();
    open();
    const error = { code: 'EVENT_BUS_NOT_STARTED', message: expect.stringMatching(/stopping/) as string };
    await expect(starting).rejects.toMatchObject(error);
    await Promise.all([stopping, outside]);
    await expect(bus.subscribe('t', () => {})).resolves.toMatchObject({ topic: 't' });
    await bus.stop();
  },
);

test.each(kinds)('a handler can stop and start %s', async (_, make) => {
  const { bus, inHandler } = await started(make);
  await inHandler(async () => {
    await bus.stop({ timeoutMs: 600_000 });
    await bus.start();
  });
  await expect(bus.subscribe('t', () => {})).resolves.toMatchObject({ topic: 't' });
  await bus.stop();
});

test.each(kinds)('a handler of another bus can wait for the stop of %s', async (_, make) => {
  const { bus, inHandler } = await started(make);
  const other = await started(makeBus);
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const handling = inHandler(() => gate);
  await turn();
  const stopping = bus.stop({ timeoutMs: 600_000 });
  const starting = other.inHandler(() => bus.start());
  await turn();
  open();
  await Promise.all([handling, stopping, starting]);
  await expect(bus.subscribe('t', () => {})).resolves.toMatchObject({ topic: 't' });
  await Promise.all([bus.stop(), other.bus.stop()]);
});
