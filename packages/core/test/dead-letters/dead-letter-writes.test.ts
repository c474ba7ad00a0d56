import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UndecodableRecordError } from '../../src/index.ts';
import { type Acknowledgement, type Engine, createEngine, createEvent } from '../../src/engine/index.ts';
import { ManualTransport, quietHost } from '../transport-support.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const broken = new Error('the broker takes nothing');

/** An engine whose handler always fails, and whose dead letters cannot be written so many times. */
async function failing(
  writesThatFail: number,
  durable = true,
): Promise<{ engine: Engine; transport: ManualTransport; begun: number[]; written: string[] }> {
  const transport = new ManualTransport();
  const engine = createEngine({
    type: 'test',
    capabilities: { durable, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => transport.open(context),
  });
  const written: string[] = [];
  let left = writesThatFail;
  engine.attach!(
    quietHost((event) => {
      if (left-- > 0) return Promise.reject(broken);
      written.push(event.topic);
      return Promise.resolve();
    }),
  );
  await engine.start();
  const begun: number[] = [];
  await engine.subscribe<number>(
    't',
    ({ payload }) => {
      begun.push(payload);
      if (payload === 1) throw new Error('always');
    },
    { retry: { attempts: 1 } },
  );
  return { engine, transport, begun, written };
}

function noting(log: string[], name: string, isKept = true): Acknowledgement {
  return {
    settled: () => void log.push(`${name} settled`),
    release: () => {
      log.push(`${name} released`);
      return isKept;
    },
  };
}

test('an event is not acknowledged, and its key waits, until its dead letter can be written', async () => {
  const { engine, transport, begun, written } = await failing(2);
  const log: string[] = [];
  for (const n of [1, 2])
    transport
      .receiver('t')
      .deliver(createEvent({ topic: 't', payload: n, key: 'a' }), noting(log, String(n)));
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual([1]);
  expect(log).toEqual([]);
  expect(engine.stats()).toMatchObject({ pending: 2, delivered: 0, deadLettered: 0 });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(written).toEqual(['_dead.t']);
  expect(log).toEqual(['1 settled', '2 settled']);
  expect(begun).toEqual([1, 2]);
  expect(engine.stats()).toMatchObject({ pending: 0, delivered: 2, deadLettered: 1, failed: 1 });
});

test('stop() releases an event whose dead letter cannot be written', async () => {
  const { engine, transport } = await failing(Number.POSITIVE_INFINITY);
  const log: string[] = [];
  transport.receiver('t').deliver(createEvent({ topic: 't', payload: 1 }), noting(log, '1'));
  await vi.advanceTimersByTimeAsync(0);
  const stopping = engine.stop();
  await vi.advanceTimersByTimeAsync(1000);
  await stopping;
  expect(log).toEqual(['1 released']);
  expect(engine.stats()).toMatchObject({ pending: 0, enqueued: 0, released: 1 });
});

const junk = { topic: 't', bytes: new Uint8Array([1]), error: new UndecodableRecordError('it is junk', {}) };

test('an undecodable record is acknowledged only after its dead letter is written', async () => {
  const { engine, transport, written } = await failing(1);
  const log: string[] = [];
  transport.receiver('t').undecodable(junk, noting(log, 'junk'));
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toEqual([]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(written).toEqual(['_dead.t']);
  expect(log).toEqual(['junk settled']);
  await engine.stop();
});

test('an undecodable record occupies buffer space until its dead letter is written', async () => {
  const { engine, transport } = await failing(1);
  const receiver = transport.receiver('t');
  const room = receiver.capacity;
  let told = 0;
  receiver.onRoom = () => void told++;
  for (let n = 0; n < room; n++) receiver.undecodable(junk, noting([], 'junk'));
  expect(receiver.capacity).toBe(0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(receiver.capacity).toBe(room);
  expect(told).toBe(1);
  await engine.stop();
});

test('an undecodable record that the broker does not keep counts as dropped if stop() ends before its dead letter is written', async () => {
  const { engine, transport } = await failing(Number.POSITIVE_INFINITY, false);
  const log: string[] = [];
  transport.receiver('t').undecodable(junk, noting(log, 'junk', false));
  await vi.advanceTimersByTimeAsync(0);
  const stopping = engine.stop({ timeoutMs: 100 }).catch((error: Error) => error.name);
  await vi.advanceTimersByTimeAsync(5000);
  await stopping;
  expect(log).toEqual(['junk released']);
  expect(engine.stats()).toMatchObject({ enqueued: 1, dropped: 1, delivered: 0, pending: 0 });
});

test('if onUndecodable fails, the error is logged and the hook is called again until it succeeds', async () => {
  const transport = new ManualTransport();
  const engine = createEngine({
    type: 'test',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => transport.open(context),
  });
  const errors: unknown[] = [];
  let left = 2;
  const onUndecodable = async (): Promise<void> => {
    if (left-- > 0) throw broken;
  };
  const logger = { warn: () => {}, error: (message: string) => void errors.push(message) };
  engine.attach!({ ...quietHost(async () => {}), logger, onUndecodable });
  await engine.start();
  await engine.subscribe('t', () => {});
  const log: string[] = [];
  const error = new UndecodableRecordError('no');
  transport.receiver('t').undecodable({ topic: 't', bytes: new Uint8Array(1), error }, noting(log, 'raw'));
  await vi.advanceTimersByTimeAsync(1000);
  expect(log).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(log).toEqual(['raw settled']);
  expect(errors).toEqual([
    expect.stringContaining('onUndecodable failed'),
    expect.stringContaining('onUndecodable failed'),
  ]);
});
