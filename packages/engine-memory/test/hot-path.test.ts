import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { type EventBus, createEventBus } from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import { expect, test } from 'vitest';

/** The asynchronous resources that the work creates, by type, including promises. */
function made(work: () => void): Record<string, number> {
  const counts: Record<string, number> = {};
  const hook = createHook({
    init(_, type) {
      counts[type] = (counts[type] ?? 0) + 1;
    },
  });
  hook.enable();
  work();
  hook.disable();
  return counts;
}

// Created by the first use of the storage that handlers run in, and not by an event.
new AsyncLocalStorage<number>().run(1, () => {});

test('an event whose handlers return synchronously creates no promise and no timer, on an engine and on a bus', async () => {
  const engine: EventBus = memoryEngine({});
  const bus: EventBus = createEventBus({ engines: [{ name: 'm', engine: memoryEngine({}) }] }).untyped;
  for (const one of [engine, bus]) {
    await one.start();
    let seen = 0;
    await one.subscribe('a', () => void seen++);
    await one.subscribe('*', () => void seen++);
    await one.publish({ topic: 'a', payload: 0 });
    const counts = made(() => {
      for (let n = 1; n <= 100; n++) void one.publish({ topic: 'a', payload: n });
    });
    expect(seen).toBe(202);
    expect(counts['PROMISE'] ?? 0).toBe(0);
    expect(counts['Timeout'] ?? 0).toBe(0);
    await one.stop();
  }
});
