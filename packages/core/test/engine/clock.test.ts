import { afterEach, expect, test, vi } from 'vitest';
import { createEventBus } from '../../src/index.ts';
import { type Engine, createEngine, createRouter } from '../../src/engine/index.ts';
import { BurstLog } from '../../src/logging/logger.ts';
import { ManualTransport } from '../transport-support.ts';

afterEach(() => void vi.restoreAllMocks());

/** Sets the time of day back by an hour at each look: whoever counts with it never gets to an end. */
function runBackwards(): void {
  let now = Date.now();
  vi.spyOn(Date, 'now').mockImplementation(() => (now -= 3_600_000));
}

function neverOpens(): Engine {
  const transport = Object.assign(new ManualTransport(), { open: () => new Promise<void>(() => {}) });
  return createEngine({
    type: 'test',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => transport.open(context),
  });
}

test.each([
  ['an engine', neverOpens],
  ['a router', () => createRouter({ engines: [{ name: 'a', engine: neverOpens() }] })],
  ['a bus', () => createEventBus({ engines: [{ name: 'a', engine: neverOpens() }] })],
])('stop() during the start of %s ends in time although the clock is set back', async (_, make) => {
  const one = make();
  const starting = one.start().catch((error: unknown) => error);
  await vi.waitFor(async () => expect((await one.health()).state).toBe('starting'));
  runBackwards();
  await one.stop({ timeoutMs: 20 });
  expect(await starting).toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
});

test('a message that is logged once per second is logged although the clock is set back by an hour', () => {
  const lines: number[] = [];
  const log = new BurstLog((count) => lines.push(count));
  const now = vi.spyOn(performance, 'now').mockReturnValue(5000);
  log.add({});
  runBackwards();
  now.mockReturnValue(6000);
  log.add({});
  expect(lines).toEqual([1, 1]);
});
