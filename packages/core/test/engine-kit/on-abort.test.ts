import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { onAbort, orAborted } from '../../src/engine-kit/index.ts';
import { type PublishMiddleware, createEventBus } from '../../src/index.ts';
import { createEngine } from '../../src/engine/index.ts';
import { ManualTransport } from '../transport-support.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('onAbort', () => {
  test('adds one listener for all callbacks, calls each once in the order of their registration, and removes the listener', () => {
    const controller = new AbortController();
    const called: number[] = [];
    for (let n = 0; n < 300; n++) onAbort(controller.signal, () => called.push(n));
    expect(listeners(controller.signal)).toBe(1);
    controller.abort();
    expect(called).toEqual(Array.from({ length: 300 }, (_, n) => n));
    expect(listeners(controller.signal)).toBe(0);
  });

  test('does not call a removed callback, and removes its listener with the last callback', () => {
    const controller = new AbortController();
    const called: string[] = [];
    const same = (): void => void called.push('same');
    const first = onAbort(controller.signal, same);
    const second = onAbort(controller.signal, same);
    first();
    first();
    expect(listeners(controller.signal)).toBe(1);
    second();
    expect(listeners(controller.signal)).toBe(0);
    onAbort(controller.signal, () => called.push('later'));
    first();
    second();
    controller.abort();
    expect(called).toEqual(['later']);
  });

  test('calls immediately if the signal is already aborted, and never without a signal', () => {
    const called: string[] = [];
    onAbort(AbortSignal.abort(), () => called.push('aborted'));
    onAbort(undefined, () => called.push('none'))();
    expect(called).toEqual(['aborted']);
  });

  test('allows a callback to remove other callbacks and to add one', () => {
    const controller = new AbortController();
    const called: string[] = [];
    onAbort(controller.signal, () => {
      called.push('first');
      takeBack();
      onAbort(controller.signal, () => called.push('added'));
    });
    const takeBack = onAbort(controller.signal, () => called.push('second'));
    onAbort(controller.signal, () => called.push('third'));
    controller.abort();
    expect(called).toEqual(['first', 'added', 'third']);
  });
});

describe('one listener is added to a shared signal', () => {
  test('for any number of callbacks', async () => {
    const controller = new AbortController();
    const work = Array.from({ length: 300 }, () => orAborted(new Promise(() => {}), controller.signal));
    expect(listeners(controller.signal)).toBe(1);
    const reason = new Error('given up');
    controller.abort(reason);
    const ends = await Promise.allSettled(work);
    expect(ends.every((end) => end.status === 'rejected' && end.reason === reason)).toBe(true);
  });

  test('for publishes through middleware, and for subscriptions', async () => {
    const { signal } = new AbortController();
    let go = (): void => {};
    const waits = new Promise<void>((resolve) => (go = resolve));
    const wait: PublishMiddleware = async ({ next }) => {
      await waits;
      await next();
    };
    const engine = createEngine({
      type: 'manual',
      capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: true },
      open: (context) => new ManualTransport().open(context),
    });
    const bus = createEventBus({
      engines: [{ name: 'manual', engine }],
      middleware: { publish: [wait] },
    });
    await bus.start();
    const publishes = Array.from({ length: 300 }, () => bus.publish('a', 1, { signal }));
    await Promise.resolve();
    expect(listeners(signal)).toBe(1);
    const subscriptions = await Promise.all(
      Array.from({ length: 300 }, (_, n) => bus.subscribe(`a.${n}`, () => {}, { signal })),
    );
    expect(listeners(signal)).toBe(1);
    go();
    await Promise.all(publishes);
    await Promise.all(subscriptions.map((one) => one.cancel()));
    expect(listeners(signal)).toBe(0);
    await bus.stop();
  });
});
