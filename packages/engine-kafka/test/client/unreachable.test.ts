import { createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { withTimeout } from '../../src/with-timeout.ts';
import { stubBroker } from '../stub-broker.ts';
import { LogLines, makeEngine, plainKafka, until } from '../support.ts';

/** A broker that hangs up on everybody, or says nothing to anybody. */
async function server(kind: 'hangs up' | 'silent'): Promise<{ brokers: string[]; calls: () => number }> {
  let calls = 0;
  const sockets = new Set<{ destroy(): void }>();
  const one = createServer((socket) => {
    calls++;
    sockets.add(socket);
    socket.on('error', () => {});
    if (kind === 'hangs up') socket.destroy();
  });
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    one.close();
  });
  const { port } = one.address() as { port: number };
  return { brokers: [`127.0.0.1:${port}`], calls: () => calls };
}

/** Unhandled rejections. Outside of a test, each of them would end the process. */
function unhandled(): unknown[] {
  const reasons: unknown[] = [];
  const listener = (reason: unknown): void => void reasons.push(reason);
  const before = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', listener);
  onTestFinished(() => {
    process.off('unhandledRejection', listener);
    for (const one of before) process.on('unhandledRejection', one);
  });
  return reasons;
}

/** `start`, and how long it took to fail. */
async function failedStart(brokers: readonly string[]): Promise<number> {
  const engine = makeEngine({ brokers, connectTimeoutMs: 500 }, new LogLines());
  const since = performance.now();
  await expect(engine.start()).rejects.toMatchObject({
    code: 'CONNECTION_FAILED',
    engine: 'kafka',
    message: expect.stringContaining('brokers'),
  });
  return performance.now() - since;
}

test('a broker that refuses connections fails the start with a typed error, at the timeout', async () => {
  expect(await failedStart(['127.0.0.1:1'])).toBeLessThan(5000);
});

test.each(['silent', 'hangs up'] as const)(
  'so does a broker that accepts connections and %s',
  async (kind) => {
    const { brokers } = await server(kind);
    expect(await failedStart(brokers)).toBeLessThan(5000);
  },
);

test.each(['silent', 'hangs up'] as const)(
  'an engine starts although one of its brokers accepts connections and %s',
  async (kind) => {
    const { brokers, calls } = await server(kind);
    const stub = await stubBroker({ topics: () => new Map() });
    for (let n = 0; n < 20 && calls() === 0; n++) {
      const engine = makeEngine({ brokers: [...brokers, ...stub.brokers] });
      await engine.start();
      await engine.stop();
    }
    expect(calls()).toBeGreaterThan(0);
  },
);

test('an aborted start ends immediately, stops its attempts, and leaves no unhandled rejection', async () => {
  const reasons = unhandled();
  const { brokers, calls } = await server('hangs up');
  const abort = new AbortController();
  const engine = makeEngine({ brokers, connectTimeoutMs: 30_000 }, new LogLines());
  const starting = engine.start({ signal: abort.signal });
  await until('a second attempt', () => calls() >= 2);
  const since = performance.now();
  abort.abort(new Error('given up'));
  await expect(starting).rejects.toThrow('given up');
  await engine.stop();
  expect(performance.now() - since).toBeLessThan(2000);
  const after = calls();
  const waited = performance.now();
  await until('what would be another attempt', () => performance.now() - waited > 600);
  expect(calls()).toBe(after);
  expect(reasons).toEqual([]);
});

test('an operation that fails after its caller stopped waiting causes no unhandled rejection', async () => {
  const reasons = unhandled();
  let fail!: (error: Error) => void;
  const work = new Promise<never>((_, reject) => (fail = reject));
  await expect(withTimeout(work, 1000, AbortSignal.abort(new Error('closed')))).rejects.toThrow('closed');
  fail(new Error('late'));
  await setImmediate();
  await setImmediate();
  expect(reasons).toEqual([]);
});

test('a given client that connects after the start was aborted is disconnected', async () => {
  let isDown = true;
  let calls = 0;
  const stub = await stubBroker({ topics: () => new Map(), isDown: () => (calls++, isDown) });
  // By its own account it tries again, several times.
  const engine = makeEngine({ client: plainKafka(stub.brokers), connectTimeoutMs: 30_000 });
  const abort = new AbortController();
  const starting = engine.start({ signal: abort.signal });
  await until('an attempt', () => calls > 0);
  abort.abort(new Error('given up'));
  await expect(starting).rejects.toThrow('given up');
  await engine.stop();
  isDown = false;
  await until('the client to connect', () => stub.asked.size > 0);
  await until('its connections to end', () => stub.open() === 0);
});
