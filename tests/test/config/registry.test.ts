import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventBus } from '@polybus/core';
import { createEngine, registerEngine, registeredEngines } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test } from 'vitest';

const busOf = (type: string, config = {}) => createEventBus({ engines: [{ name: 'e', type, config }] });

describe('the engine registry', () => {
  test('finds an installed engine by its type, without an import', async () => {
    const bus = busOf('durable-memory', { workerCount: 2 });
    await bus.start();
    expect(bus.router.engine('e').type).toBe('durable-memory');
    expect(registeredEngines()).toContain('durable-memory');
    await bus.stop();
  });

  test('lists installed types before they are used', () => {
    const { program } = application({ listed: '() => {}' });
    runs(program);
    expect(registeredEngines()).toEqual(
      expect.arrayContaining(['memory', 'durable-memory', 'redis', 'kafka', 'kinesis', 'listed']),
    );
  });

  test('uses a registered factory, and passes it its configuration', async () => {
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

  test('suggests a similar type, and says how to add an engine', async () => {
    await expect(busOf('memroy').start()).rejects.toThrow(
      /no engine type "memroy".*Did you mean "memory"\?.*"@polybus\/engine-memroy" or "polybus-engine-memroy".*registerEngine/,
    );
    await expect(busOf('../evil').start()).rejects.toMatchObject({ code: 'UNKNOWN_ENGINE_TYPE' });
  });

  test('does not know names of Object.prototype as types', async () => {
    await expect(busOf('constructor').start()).rejects.toThrow(
      'Install a package that provides it ("@polybus/engine-constructor" or "polybus-engine-constructor")',
    );
  });

  test('finds an engine next to the running program, wherever the program was started', async () => {
    const { program } = application({
      found: `() => { throw new Error('the factory beside the program'); }`,
    });
    runs(program);
    await expect(busOf('found').start()).rejects.toThrow('the factory beside the program');
  });

  test('finds an engine next to the target of a link to the program', async () => {
    const { folder, program } = application({
      linked: `() => { throw new Error('the factory behind a link'); }`,
    });
    symlinkSync(program, join(folder, 'command'));
    runs(join(folder, 'command'));
    await expect(busOf('linked').start()).rejects.toThrow('the factory behind a link');
  });

  test('uses only own exports of a package', async () => {
    const { program } = application({}, 'constructor');
    runs(program);
    await expect(busOf('constructor').start()).rejects.toThrow(/exports no engine type "constructor"/);
  });

  test('says what to do if an installed package fails to load', async () => {
    const { program } = application({
      broken: `(() => { throw new Error('import() is not supported.'); })()`,
    });
    runs(program);
    await expect(busOf('broken').start()).rejects.toThrow(
      'The package "polybus-engine-broken" is installed but fails to load: import() is not supported. ' +
        'If a bundler or a test runner loads this program, import the engine: import { engines } from "polybus-engine-broken" ' +
        'and call registerEngine("broken", engines["broken"])',
    );
  });

  test('reports where it has looked', async () => {
    const { folder, program } = application({ other: 'undefined' });
    runs(program);
    const places = `It was searched for from ${process.cwd()}, from ${join(folder, 'app')} and next to @polybus/core.`;
    await expect(busOf('nowhere').start()).rejects.toThrow(places);
  });

  test('refuses an invalid type, and a factory that is not a function', () => {
    expect(() => registerEngine('My Engine', () => memoryEngine())).toThrow(/lower-case letters/);
    expect(() => registerEngine('mine', undefined as never)).toThrow(/expected a function/);
  });

  test('lets a bus start again after an engine could not open', async () => {
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
        open: async () => {
          if (isDown) throw new Error('connection refused');
          return {
            close: () => Promise.resolve(),
            send: () => {},
            listen: () => Promise.resolve({ stop: () => Promise.resolve() }),
          };
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

/** Says that another program is what runs, for the length of a test. */
function runs(program: string): void {
  const own = process.argv[1]!;
  process.argv[1] = program;
  onTestFinished(() => void (process.argv[1] = own));
}

/** An application in a folder of its own, and an engine that is installed for it alone. */
function application(
  engines: Readonly<Record<string, string>>,
  name = Object.keys(engines)[0],
): { folder: string; program: string } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'polybus-registry-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const installed = join(folder, `app/node_modules/polybus-engine-${name}`);
  mkdirSync(installed, { recursive: true });
  const program = join(folder, 'app/main.js');
  writeFileSync(program, '');
  writeFileSync(join(installed, 'package.json'), '{ "type": "module", "exports": "./index.js" }');
  const entries = Object.entries(engines).map(([type, factory]) => `${type}: ${factory}`);
  writeFileSync(join(installed, 'index.js'), `export const engines = { ${entries.join(', ')} };`);
  return { folder, program };
}
