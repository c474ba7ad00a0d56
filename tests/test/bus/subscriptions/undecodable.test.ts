import { type EventBusOptions, UndecodableRecordError, createEventBus } from '@polybus/core';
import { expect, test } from 'vitest';
import { HandTransport, handEngine } from '../hand-engine.ts';
import { quietLogger } from '../quiet-logger.ts';

/** A bus that has got a record that is not an event, and the log of the record's acknowledgement. */
async function withUndecodable(options: EventBusOptions, transport = new HandTransport()) {
  const engines = [{ name: 'hand', engine: handEngine(transport) }];
  const bus = createEventBus({ engines, logger: quietLogger(), ...options });
  await bus.start();
  await bus.subscribe('a', () => {}, { deadLetter: true });
  const log: string[] = [];
  const error = new UndecodableRecordError('it is not JSON', { topic: 'a' });
  transport.receivers[0]!.undecodable(
    { topic: 'a', bytes: Buffer.from('?'), error },
    { settled: () => log.push('settled'), release: () => log.push('released') > 0 },
  );
  return { bus, log };
}

const never = new Promise<void>(() => {});

test.each<[string, EventBusOptions, HandTransport]>([
  ['onUndecodable does not return', { onUndecodable: () => never }, new HandTransport()],
  [
    'the dead letter of a record is not accepted',
    {},
    Object.assign(new HandTransport(), { onSend: () => never }),
  ],
])('stop() ends after timeoutMs if %s', async (_, options, transport) => {
  const { bus, log } = await withUndecodable(options, transport);
  await expect(bus.stop({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT', queued: 1 });
  expect(log).toEqual(['released']);
});

test('a record is settled once, if onUndecodable returns after stop() has given up', async () => {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => (resolve = settle));
  const { bus, log } = await withUndecodable({ onUndecodable: () => promise });
  await expect(bus.stop({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT' });
  resolve();
  await new Promise(setImmediate);
  expect(log).toEqual(['released']);
  expect(bus.stats()).toMatchObject({ delivered: 0, failed: 0, enqueued: 0 });
});

test('stop() waits for onUndecodable', async () => {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => (resolve = settle));
  const { bus, log } = await withUndecodable({ onUndecodable: () => promise });
  const stopped = bus.stop();
  resolve();
  await stopped;
  expect(log).toEqual(['settled']);
});

test('onUndecodable can await the end of its subscription', async () => {
  const ends: string[] = [];
  const onUndecodable = async (): Promise<void> => {
    await subscription.cancel();
    ends.push('cancelled');
  };
  const transport = new HandTransport();
  const bus = createEventBus({
    engines: [{ name: 'hand', engine: handEngine(transport) }],
    logger: quietLogger(),
    onUndecodable,
  });
  await bus.start();
  const subscription = await bus.subscribe('a', () => {});
  const error = new UndecodableRecordError('it is not JSON', { topic: 'a' });
  const settled = new Promise<void>((resolve) =>
    transport.receivers[0]!.undecodable(
      { topic: 'a', bytes: Buffer.from('?'), error },
      { settled: resolve, release: () => false },
    ),
  );
  await settled;
  expect(ends).toEqual(['cancelled']);
  await bus.stop({ timeoutMs: 1000 });
});
