import { createEngine, createEventBus, registerEngine, registeredEngines } from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, test } from 'vitest';

const busOf = (type: string, config = {}) => createEventBus({ engines: [{ name: 'e', type, config }] });

describe('the engine registry', () => {
  test('finds an installed engine by its type, without an import', async () => {
    const bus = busOf('durable-memory', { workerCount: 2 });
    await bus.start();
    expect(bus.router.engine('e').type).toBe('durable-memory');
    expect(registeredEngines()).toContain('durable-memory');
    await bus.stop();
  });

  test('takes a registered factory, and hands it its configuration', async () => {
    const got: unknown[] = [];
    registerEngine('custom', (config, context) => {
      got.push(config, context);
      return memoryEngine();
    });
    const bus = busOf('custom', { shards: 3 });
    await bus.start();
    expect(got).toEqual([{ shards: 3 }, { name: 'e', path: 'engines[0].config' }]);
    await bus.stop();
  });

  test('suggests a type where the name is near one, and says how to bring one’s own', async () => {
    await expect(busOf('memroy').start()).rejects.toThrow(
      /no engine type "memroy".*Did you mean "memory"\?.*"@polybus\/engine-memroy" or "polybus-engine-memroy".*registerEngine/,
    );
    await expect(busOf('../evil').start()).rejects.toMatchObject({ code: 'UNKNOWN_ENGINE_TYPE' });
  });

  test('refuses a type that is no name, and a factory that is no function', () => {
    expect(() => registerEngine('My Engine', () => memoryEngine())).toThrow(/lower-case letters/);
    expect(() => registerEngine('mine', undefined as never)).toThrow(/expected a function/);
  });

  test('an engine that cannot open leaves the bus startable again', async () => {
    let isDown = true;
    registerEngine('flaky', () =>
      createEngine({
        type: 'flaky',
        capabilities: {
          durable: false,
          groups: false,
          replay: false,
          partitioned: false,
          crossProcess: false,
        },
        transport: {
          open: () => (isDown ? Promise.reject(new Error('connection refused')) : Promise.resolve()),
          close: () => Promise.resolve(),
          send: () => {},
          listen: () => Promise.resolve({ stop: () => Promise.resolve() }),
        },
      }),
    );
    const bus = busOf('flaky');
    await expect(bus.start()).rejects.toThrow('connection refused');
    isDown = false;
    await bus.start();
    expect(await bus.health()).toMatchObject({ status: 'up', state: 'started' });
    await bus.stop();
  });
});
