import { expect, test } from 'vitest';
import { type Event, type SubscribeOptions, UndecodableRecordError } from '../../src/index.ts';
import {
  type Acknowledgement,
  type Engine,
  type ListenRequest,
  type Receiver,
  createEngine,
  createEvent,
} from '../../src/engine/index.ts';

/** An engine with one subscription, to which the test delivers events. */
async function listening(
  handler: (event: Event<number>) => void | Promise<void>,
  options?: SubscribeOptions,
  isAsync = true,
  send: () => Promise<void> = () => Promise.resolve(),
): Promise<{ engine: Engine; receiver: Receiver }> {
  let receiver!: Receiver;
  const engine = createEngine({
    type: 'test',
    capabilities: { durable: true, groups: true, replay: false, partitioned: false, crossProcess: true },
    open: async () => ({
      close: () => Promise.resolve(),
      send,
      listen: (_: ListenRequest, given: Receiver) => {
        receiver = given;
        return Promise.resolve({ stop: () => Promise.resolve() });
      },
    }),
  });
  await engine.start();
  if (isAsync) await engine.subscribeAsync<number>('t', handler, options);
  else await engine.subscribe<number>('t', handler, options);
  return { engine, receiver };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('withdraw releases every event whose handler has not started, and running handlers settle their events', async () => {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const begun: number[] = [];
  const { engine, receiver } = await listening(
    ({ payload }) => {
      begun.push(payload);
      return opened;
    },
    { concurrency: 3 },
  );
  const log: string[] = [];
  const hand = (n: number, key: string): void => {
    const acknowledgement: Acknowledgement = {
      settled: () => void log.push(`${n} settled`),
      release: () => log.push(`${n} released`) > 0,
    };
    receiver.deliver(createEvent({ topic: 't', payload: n, key }), acknowledgement);
  };
  // Events 1 and 2 run, 3 and 4 wait behind 1, and one of the other events runs.
  for (const [n, key] of [
    [1, 'a'],
    [2, 'b'],
    [3, 'a'],
    [4, 'a'],
    [5, 'c'],
    [6, 'd'],
  ] as const)
    hand(n, key);
  await turn();
  expect(begun).toEqual([1, 2, 5]);
  receiver.withdraw();
  expect(log.toSorted()).toEqual(['3 released', '4 released', '6 released']);
  expect(engine.stats()).toMatchObject({ pending: 3, released: 3, enqueued: 3 });
  open();
  await turn();
  expect(begun).toEqual([1, 2, 5]);
  expect(log.slice(3).toSorted()).toEqual(['1 settled', '2 settled', '5 settled']);
  // The subscription continues as before, and the key is free.
  hand(3, 'a');
  await turn();
  expect(begun).toEqual([1, 2, 5, 3]);
  expect(engine.stats()).toMatchObject({ pending: 0, delivered: 4, dropped: 0 });
  await engine.stop();
});

test('withdrawing a retry frees its key for events that are delivered meanwhile', async () => {
  const begun: number[] = [];
  const { engine, receiver } = await listening(
    ({ payload }) => {
      begun.push(payload);
      if (payload === 1) throw new Error('once');
    },
    { bufferSize: 1, retry: { attempts: 2, backoff: { initialMs: 600_000, jitter: 'none' } } },
    false,
  );
  const acknowledgement: Acknowledgement = { settled: () => {}, release: () => true };
  const hand = (n: number): void =>
    receiver.enqueue(createEvent({ topic: 't', payload: n, key: 'a' }), acknowledgement);
  hand(1);
  receiver.run();
  await turn();
  // A transport that fills the room at once, before the key of what left is free.
  receiver.onRoom = () => {
    receiver.onRoom = undefined;
    hand(2);
    receiver.run();
  };
  receiver.withdraw();
  await turn();
  expect(begun).toEqual([1, 2]);
  expect(engine.stats()).toMatchObject({ pending: 0, delivered: 1, released: 1 });
  await engine.stop();
});

test('withdraw releases an event that waits for its next attempt, and the events behind it', async () => {
  const { engine, receiver } = await listening(
    () => {
      throw new Error('always');
    },
    { retry: { attempts: 3, backoff: { initialMs: 600_000, jitter: 'none' } } },
  );
  const log: string[] = [];
  for (const n of [1, 2]) {
    receiver.deliver(createEvent({ topic: 't', payload: n, key: 'a' }), {
      settled: () => void log.push(`${n} settled`),
      release: () => log.push(`${n} released`) > 0,
    });
  }
  await turn();
  expect(engine.stats()).toMatchObject({ pending: 2, retried: 0 });
  receiver.withdraw();
  expect(log.toSorted()).toEqual(['1 released', '2 released']);
  expect(engine.stats()).toMatchObject({ pending: 0, released: 2, enqueued: 0 });
  await engine.stop();
});

/** Acknowledgements that write down what happens to their event. */
function logged(log: string[]): (n: number | string) => Acknowledgement {
  return (n) => ({
    begun: (attempt) => void log.push(`${n} begun ${attempt}`),
    settled: () => void log.push(`${n} settled`),
    release: () => log.push(`${n} released`) > 0,
  });
}

test.each([1, 4])(
  'an event that fails after withdraw is released with the events behind it, and its attempt counts (concurrency %i)',
  async (concurrency) => {
    const log: string[] = [];
    const acknowledgement = logged(log);
    let fail!: (error: Error) => void;
    const failure = new Promise<void>((_, reject) => (fail = reject));
    const begun: number[] = [];
    const { engine, receiver } = await listening(
      ({ payload }) => {
        begun.push(payload);
        return payload === 1 && begun.filter((n) => n === 1).length === 1 ? failure : undefined;
      },
      { concurrency, retry: { attempts: 3, backoff: { initialMs: 600_000, jitter: 'none' } } },
    );
    const hand = (n: number, previousAttempts = 0): void =>
      receiver.deliver(
        createEvent({ topic: 't', payload: n, key: 'a' }),
        acknowledgement(n),
        previousAttempts,
      );
    hand(1);
    hand(2);
    await turn();
    receiver.withdraw();
    // The transport may keep the event that is being handled, and delivers the later one again.
    hand(2);
    await turn();
    expect(log).toEqual(['1 begun 1', '2 released']);
    fail(new Error('once'));
    await turn();
    expect(log.slice(2).toSorted()).toEqual(['1 released', '2 released']);
    expect(begun).toEqual([1]);
    expect(engine.stats()).toMatchObject({ pending: 0, retried: 0, dropped: 0, failed: 0 });
    hand(1, 1);
    hand(2);
    await turn();
    expect(log.slice(4)).toEqual(['1 begun 2', '1 settled', '2 begun 1', '2 settled']);
    await engine.stop();
  },
);

test('an event that fails after withdraw does not affect another event that waits for its retry', async () => {
  const log: string[] = [];
  const acknowledgement = logged(log);
  let fail!: (error: Error) => void;
  const failure = new Promise<void>((_, reject) => (fail = reject));
  const { engine, receiver } = await listening(
    ({ payload }) => {
      if (payload === 1) return failure;
      throw new Error('always');
    },
    { concurrency: 2, retry: { attempts: 3, backoff: { initialMs: 600_000, jitter: 'none' } } },
  );
  receiver.deliver(createEvent({ topic: 't', payload: 1, key: 'a' }), acknowledgement(1));
  await turn();
  receiver.withdraw();
  receiver.deliver(createEvent({ topic: 't', payload: 2, key: 'b' }), acknowledgement(2));
  await turn();
  fail(new Error('once'));
  await turn();
  expect(log).toEqual(['1 begun 1', '2 begun 1', '1 released']);
  expect(engine.stats()).toMatchObject({ pending: 1, released: 1 });
  await engine.stop();
});

test('an event and a record whose dead letters fail after withdraw are released', async () => {
  const log: string[] = [];
  const acknowledgement = logged(log);
  const writes: ((error: Error) => void)[] = [];
  const { engine, receiver } = await listening(
    () => {
      throw new Error('always');
    },
    { retry: { attempts: 1 }, deadLetter: true },
    true,
    () => new Promise<void>((_, reject) => writes.push(reject)),
  );
  receiver.deliver(createEvent({ topic: 't', payload: 1 }), acknowledgement(1));
  const error = new UndecodableRecordError('it is not JSON');
  receiver.undecodable({ topic: 't', bytes: new Uint8Array(), error }, acknowledgement('raw'));
  await expect.poll(() => writes).toHaveLength(2);
  receiver.withdraw();
  expect(log).toEqual(['1 begun 1']);
  for (const reject of writes) reject(new Error('refused'));
  await turn();
  expect(log.slice(1).toSorted()).toEqual(['1 released', 'raw released']);
  expect(engine.stats()).toMatchObject({ pending: 0, deadLettered: 0, dropped: 0 });
  await engine.stop();
});

test('withdraw releases a record that waits for another try to write its dead letter', async () => {
  const log: string[] = [];
  const { engine, receiver } = await listening(
    () => {},
    { deadLetter: true },
    true,
    () => Promise.reject(new Error('refused')),
  );
  const error = new UndecodableRecordError('it is not JSON');
  receiver.undecodable({ topic: 't', bytes: new Uint8Array(), error }, logged(log)('raw'));
  await turn();
  receiver.withdraw();
  expect(log).toEqual(['raw released']);
  await engine.stop();
});
