import { getEventListeners } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { PendingPublishes } from '../../src/engine-kit/index.ts';

const timedOut = ({ topic }: { topic: string }): Error => new Error(`no answer for ${topic}`);
const closed = ({ topic }: { topic: string }): Error => new Error(`closed before ${topic}`);
const pendingPublishes = (timeoutMs = 60_000): PendingPublishes<string> =>
  new PendingPublishes<string>({ timeoutMs, timedOut });

describe('PendingPublishes', () => {
  test('settles a publish once, with its first answer', async () => {
    const pending = pendingPublishes();
    const [accepted, refused] = [pending.add('a', '1'), pending.add('b', '2')];
    expect([...pending].map(({ message }) => message)).toEqual(['1', '2']);
    pending.resolve(accepted);
    pending.reject(accepted, new Error('too late'));
    pending.reject(refused, new Error('refused'));
    pending.resolve(refused);
    await expect(accepted.settled).resolves.toBeUndefined();
    await expect(refused.settled).rejects.toThrow('refused');
    expect([pending.size, accepted.isSettled, refused.isSettled]).toEqual([0, true, true]);
  });

  test('rejects a publish whose signal aborts, and leaves no listener at the signal', async () => {
    const pending = pendingPublishes();
    const controller = new AbortController();
    const [one, other] = [pending.add('a', '1', controller.signal), pending.add('b', '2', controller.signal)];
    pending.resolve(other);
    controller.abort(new Error('given up'));
    await expect(one.settled).rejects.toThrow('given up');
    await expect(other.settled).resolves.toBeUndefined();
    const late = pending.add('c', '3', controller.signal);
    expect(late.isSettled).toBe(true);
    await expect(late.settled).rejects.toThrow('given up');
    expect([pending.size, getEventListeners(controller.signal, 'abort').length]).toEqual([0, 0]);
  });

  test('rejects publishes without an answer at their timeouts, in the order in which they were published', async () => {
    const pending = pendingPublishes(40);
    const first = pending.add('first', '1');
    const order: string[] = [];
    const note = ({ message }: Error): void => void order.push(message);
    const second = pending.add('second', '2');
    const answered = pending.add('answered', '3');
    pending.resolve(answered);
    await Promise.all([first.settled.catch(note), second.settled.catch(note)]);
    expect(order).toEqual(['no answer for first', 'no answer for second']);
    await expect(answered.settled).resolves.toBeUndefined();
    // The timer ends with the last event, and begins again with the next.
    await expect(pending.add('third', '4').settled).rejects.toThrow('no answer for third');
  });

  test('accepts an answer that arrived while the process was suspended, even after the timeout', async () => {
    const server = new Worker(
      `const { parentPort } = require('node:worker_threads');
       const server = require('node:net').createServer((socket) => socket.on('data', () => socket.write('yes')));
       server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
      { eval: true },
    );
    const port = await new Promise<number>((resolve) => server.once('message', resolve));
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const pending = pendingPublishes(100);
    const one = pending.add('a', '1');
    socket.once('data', () => pending.resolve(one));
    socket.write('?');
    // The request has to leave before the process stands still.
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    try {
      await expect(one.settled).resolves.toBeUndefined();
    } finally {
      socket.destroy();
      await server.terminate();
    }
  });

  test('closes as soon as the last answer arrives', async () => {
    const pending = pendingPublishes();
    const [one, other] = [pending.add('a', '1'), pending.add('b', '2')];
    let isClosed = false;
    const closing = pending.close(60_000, closed).then(() => (isClosed = true));
    pending.resolve(one);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    pending.reject(other, new Error('refused'));
    await closing;
    await expect(one.settled).resolves.toBeUndefined();
    await expect(other.settled).rejects.toThrow('refused');
  });

  test('rejects publishes without an answer at the timeout of close', async () => {
    const pending = pendingPublishes();
    const one = pending.add('a', '1');
    await Promise.all([expect(one.settled).rejects.toThrow('closed before a'), pending.close(10, closed)]);
    expect(pending.size).toBe(0);
  });
});
