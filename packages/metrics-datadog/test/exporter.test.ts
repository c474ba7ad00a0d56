import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createEventBus } from '@polybus/core';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DatadogStatsdExporter, ExporterClosedError } from '../src/index.ts';
import { addressOf } from '../src/options.ts';
import { Agent } from './agent.ts';

const patience = { timeout: 30_000 };
const quiet = { warn: () => {}, error: () => {} };

async function startedBus() {
  const bus = createEventBus({
    engines: [
      { name: 'local', engine: memoryEngine({ retry: { attempts: 2, backoff: { initialMs: 0 } } }) },
      { name: 'log', engine: durableMemoryEngine() },
    ],
    routing: [{ topics: ['log'], engine: 'log' }],
    logger: quiet,
  });
  onTestFinished(() => bus.stop());
  await bus.start();
  await bus.subscribe('log', () => {});
  await bus.subscribe('bad', () => Promise.reject(new Error('no')), { deadLetter: true });
  return bus;
}

describe('over a UDP socket', () => {
  test('sends each count of each engine and their sum, with the tags', async () => {
    await using agent = await Agent.listen();
    const bus = await startedBus();
    for (const topic of ['log', 'log', 'bad']) await bus.publish(topic, 1);
    await using exporter = new DatadogStatsdExporter(bus, {
      addr: agent.addr,
      prefix: 'shop',
      baseTags: ['env:test', 'canary'],
    });
    await exporter.flush();
    await expect.poll(() => agent.lines.length, patience).toBe(27);
    const expected = [
      ['delivered_total', 1, 2],
      ['dropped_total', 0, 0],
      ['published_total', 2, 2],
      ['enqueued_total', 1, 2],
      ['failed_total', 1, 0],
      ['retried_total', 1, 0],
      ['dead_lettered_total', 1, 0],
      ['released_total', 0, 0],
      ['pending', 0, 0],
    ] as const;
    for (const [name, local, log] of expected) {
      const of = (engine: string): number[] =>
        agent.values(`shop.${name}`, `engine:${engine}`, 'env:test', 'canary');
      expect([name, of('local'), of('log'), of('_all')]).toEqual([name, [local], [log], [local + log]]);
    }
  });

  test('sends at each interval until the signal aborts', async () => {
    await using agent = await Agent.listen();
    const bus = await startedBus();
    const exporter = new DatadogStatsdExporter(bus, { addr: agent.addr, interval: '5ms' });
    const controller = new AbortController();
    exporter.run({ signal: controller.signal });
    exporter.run();
    const delivered = (): number[] => agent.values('eventbus.delivered_total', 'engine:_all');
    for (let n = 1; n <= 3; n++) {
      await bus.publish('log', n);
      await expect.poll(() => delivered().at(-1), patience).toBe(n);
    }
    controller.abort();
    await bus.publish('log', 4);
    // The export of close. There would be more exports if the loop still ran.
    await exporter.close();
    await expect.poll(() => delivered().at(-1), patience).toBe(4);
    expect(delivered().filter((value) => value === 4)).toEqual([4]);
  });

  test('sends a last time at close, once, however often close is called', async () => {
    await using agent = await Agent.listen();
    const bus = await startedBus();
    const exporter = new DatadogStatsdExporter(bus, { addr: agent.addr, interval: '1h', prefix: '' });
    exporter.run();
    await bus.publish('log', 1);
    await bus.stop();
    await Promise.all([exporter.close(), exporter.close()]);
    await exporter[Symbol.asyncDispose]();
    const delivered = (): number[] => agent.values('eventbus.delivered_total', 'engine:log');
    await expect.poll(() => delivered(), patience).toEqual([0, 1]);
    expect(() => exporter.run()).toThrow(ExporterClosedError);
    await expect(exporter.flush()).rejects.toMatchObject({ code: 'EXPORTER_CLOSED' });
  });

  test('does nothing if its signal has already aborted', async () => {
    await using agent = await Agent.listen();
    const bus = await startedBus();
    const exporter = new DatadogStatsdExporter(bus, { addr: agent.addr, interval: '1ms' });
    exporter.run({ signal: AbortSignal.abort() });
    await exporter.close();
    await expect.poll(() => agent.values('eventbus.pending', 'engine:_all'), patience).toEqual([0]);
  });

  test('does not keep a process alive', async () => {
    await using agent = await Agent.listen();
    const fixture = fileURLToPath(new URL('fixtures/forgotten-exporter.ts', import.meta.url));
    const args = ['--import', 'tsx', '--conditions=@polybus/source', fixture, agent.addr];
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    onTestFinished(() => void child.kill('SIGKILL'));
    expect(await once(child, 'exit')).toEqual([0, null]);
    await expect.poll(() => agent.values('eventbus.pending', 'engine:_all').length, patience).toBe(2);
  }, 90_000);
});

describe('an address that cannot be reached', () => {
  // The broadcast address, which the system refuses to a socket that did not ask for it: nothing leaves the machine.
  const addr = '255.255.255.255:8125';

  test('is logged once, and throws nothing', async () => {
    const logged: [string, unknown][] = [];
    const logger = { warn: (message: string, fields: unknown) => void logged.push([message, fields]) };
    const bus = await startedBus();
    const exporter = new DatadogStatsdExporter(bus, { addr, interval: '1ms', logger });
    exporter.run();
    for (let n = 0; n < 3; n++) await exporter.flush();
    await bus.publish('log', 1);
    await exporter.close();
    expect(logged).toEqual([
      [
        'metrics could not be sent; further failures are not logged',
        { addr, error: expect.stringMatching(/EACCES|EPERM|ENETUNREACH|EHOSTUNREACH/) as string },
      ],
    ]);
    expect(bus.stats()).toMatchObject({ delivered: 1, failed: 0 });
  });

  test('throws nothing if the logger throws', async () => {
    const logger = {
      warn: () => {
        throw new Error('bad logger');
      },
    };
    const exporter = new DatadogStatsdExporter(await startedBus(), { addr, logger });
    await exporter.flush();
    await exporter.close();
    expect(exporter).toBeInstanceOf(DatadogStatsdExporter);
  });
});

test.each([
  ['addr', { addr: '' }],
  ['addr', { addr: ':8125' }],
  ['addr', { addr: '127.0.0.1:0' }],
  ['addr', { addr: '127.0.0.1:70000' }],
  ['addr', { addr: 'unix:///var/run/datadog/dsd.socket' }],
  ['addr', { addr: 8125 as unknown as string }],
  ['interval', { interval: 0 }],
  ['interval', { interval: '10 parsecs' }],
  ['interval', { interval: Number.NaN }],
  ['interval', { interval: '30d' }],
  ['prefix', { prefix: 'has space' }],
  ['prefix', { prefix: 'a:b' }],
  ['baseTags', { baseTags: [''] }],
  ['baseTags', { baseTags: 'env:test' as unknown as string[] }],
])('a wrong option %s is refused: %o', async (option, options) => {
  const bus = await startedBus();
  expect(() => new DatadogStatsdExporter(bus, options)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', option }) as Error,
  );
});

test('an option that there is not is refused', async () => {
  const bus = await startedBus();
  const refused = (option: string) =>
    expect.objectContaining({ code: 'UNKNOWN_OPTION', option }) as unknown as Error;
  expect(() => new DatadogStatsdExporter(bus, { tags: ['env:test'] } as object)).toThrow(refused('tags'));
  await using exporter = new DatadogStatsdExporter(bus);
  expect(() => exporter.run({ sginal: AbortSignal.abort() } as object)).toThrow(refused('sginal'));
});

test.each([
  ['localhost', 'localhost', 8125],
  ['127.0.0.1:1', '127.0.0.1', 1],
  ['[::1]:65535', '::1', 65_535],
  ['[::1]', '::1', 8125],
  ['agent.example.org:9125', 'agent.example.org', 9125],
])('the address %s is accepted', (addr, host, port) => {
  expect(addressOf(addr)).toEqual({ host, port });
});
