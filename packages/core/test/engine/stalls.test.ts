import { describe, expect, test } from 'vitest';
import { type EngineHealth, UndecodableRecordError } from '../../src/index.ts';
import {
  type Engine,
  type EngineHost,
  type ReadProgress,
  type Transport,
  createEngine,
  createEvent,
} from '../../src/engine/index.ts';
import { ManualTransport, quietHost } from '../transport-support.ts';

/** A transport that says how far reading is as the test wants it. */
class Reading extends ManualTransport implements Transport {
  at: ReadProgress[] = [];
  ping?: () => Promise<void>;
  describe?: () => Partial<Pick<EngineHealth, 'status' | 'error' | 'details'>>;

  progress(): Iterable<ReadProgress> {
    return this.at;
  }
}

interface Watched {
  readonly engine: Engine;
  readonly transport: Reading;
  readonly warnings: string[];
}

async function started(host: Partial<EngineHost> = {}): Promise<Watched> {
  const transport = new Reading();
  const warnings: string[] = [];
  const engine = createEngine({
    type: 'test',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => transport.open(context),
    defaults: { stallLimitMs: 40, retry: { attempts: 1 } },
  });
  const quiet = quietHost(() => Promise.resolve());
  const logger = { ...quiet.logger, warn: (message: string) => void warnings.push(message) };
  engine.attach!({ ...quiet, logger, ...host });
  await engine.start();
  return { engine, transport, warnings };
}

async function is(engine: Engine, status: EngineHealth['status']): Promise<void> {
  await expect.poll(async () => (await engine.health()).status).toBe(status);
}

describe('stalled reading', () => {
  const here = { source: 'partition 3 of "orders"', position: 7, behind: 'there is an event to read' };

  test('makes health degraded with the reason until reading continues, and is logged once', async () => {
    const { engine, transport, warnings } = await started();
    transport.at = [here];
    expect(await engine.health()).toEqual({ status: 'up', state: 'started' });
    // By the timer alone.
    await expect.poll(() => warnings.length).toBe(1);
    const { status, error } = await engine.health();
    expect(status).toBe('degraded');
    expect(error).toMatch(
      /^partition 3 of "orders" has made no progress for \d+ ms: there is an event to read$/,
    );
    expect(warnings).toEqual([expect.stringMatching(/^partition 3 of "orders" has made no progress/)]);
    transport.at = [{ ...here, position: 8 }];
    expect(await engine.health()).toEqual({ status: 'up', state: 'started' });
    await expect.poll(() => warnings.length).toBe(2);
    transport.at = [{ ...here, position: 8, behind: undefined }];
    expect((await engine.health()).status).toBe('up');
    await engine.stop();
  });

  test('is distinguished from another reader with the same name that makes progress', async () => {
    const { engine, transport } = await started();
    let position = 0;
    transport.progress = () => [here, { ...here, position: ++position }];
    await is(engine, 'degraded');
    await engine.stop();
  });

  test('is assumed if the transport cannot report its progress', async () => {
    const { engine, transport } = await started();
    transport.progress = () => {
      throw new Error('no idea');
    };
    await is(engine, 'degraded');
    expect((await engine.health()).error).toContain('no idea');
    await engine.stop();
  });

  test('is not checked after the engine has stopped, and is checked again after a new start', async () => {
    const { engine, transport, warnings } = await started();
    transport.at = [here];
    await expect.poll(() => warnings.length).toBe(1);
    await engine.stop();
    expect(await engine.health()).toMatchObject({ status: 'down', error: 'the engine is stopped' });
    await engine.start();
    expect((await engine.health()).status).toBe('up');
    await expect.poll(() => warnings.length).toBe(2);
    await engine.stop();
  });
});

describe('a stalled subscription', () => {
  const acknowledgement = { settled: () => {}, release: () => true };

  test('is reported behind a dead letter that cannot be written, although the write is repeated', async () => {
    let isRefused = true;
    const publishDeadLetter = (): Promise<void> =>
      isRefused ? Promise.reject(new Error('refused')) : Promise.resolve();
    const { engine, transport } = await started({ publishDeadLetter });
    await engine.subscribe('t', () => {
      throw new Error('always');
    });
    transport.receiver('t').deliver(createEvent({ topic: 't', payload: 1 }), acknowledgement);
    await is(engine, 'degraded');
    expect((await engine.health()).error).toContain('1 dead letter(s) could not be written');
    isRefused = false;
    await is(engine, 'up');
    await engine.stop();
  });

  test.each([
    ['a dead letter that cannot be written', 'throws', '1 dead letter(s) could not be written'],
    ['a handler that hangs', 'hangs', '1 event(s) of its key wait behind it'],
  ])(
    'is reported if one key waits behind %s, although events of other keys are handled',
    async (_, how, reason) => {
      const { engine, transport } = await started({
        publishDeadLetter: () => Promise.reject(new Error('refused')),
      });
      await engine.subscribeAsync('t', ({ key }) => {
        if (key !== 'stuck') return undefined;
        if (how === 'throws') throw new Error('always');
        return new Promise(() => {});
      });
      const deliver = (key: string): void =>
        transport.receiver('t').deliver(createEvent({ topic: 't', payload: 1, key }), acknowledgement);
      deliver('stuck');
      deliver('stuck');
      await expect
        .poll(async () => {
          deliver('other');
          return (await engine.health()).error;
        })
        .toContain(reason);
      expect(engine.stats().delivered).toBeGreaterThan(0);
      await engine.stop({ timeoutMs: 1 }).catch(() => {});
    },
  );

  test('is reported if its buffer is full of events that wait for another attempt, or behind them', async () => {
    const { engine, transport } = await started();
    const backoff = { initialMs: 3_600_000, maxMs: 3_600_000, jitter: 'none' } as const;
    let attempts = 0;
    const fail = (): never => {
      attempts++;
      throw new Error('always');
    };
    await engine.subscribeAsync('t', fail, { bufferSize: 3, retry: { attempts: 3, backoff } });
    const deliver = (): void =>
      transport.receiver('t').deliver(createEvent({ topic: 't', payload: 1, key: 'bad' }), acknowledgement);
    deliver();
    deliver();
    await expect.poll(() => attempts).toBe(1);
    // There is room: events of other keys are handled meanwhile. The stalled reader shows that the limit is over.
    transport.at = [{ source: 'a reader', position: 1, behind: 'there is an event to read' }];
    await is(engine, 'degraded');
    expect((await engine.health()).error).not.toContain('buffer');
    transport.at = [];
    await is(engine, 'up');
    deliver();
    await is(engine, 'degraded');
    expect((await engine.health()).error).toContain(
      'its buffer is full: 1 event(s) wait for another attempt',
    );
    await engine.stop({ timeoutMs: 1 }).catch(() => {});
  });

  test('is reported for undecodable records, although events are handled', async () => {
    const { engine, transport } = await started({
      publishDeadLetter: () => Promise.reject(new Error('refused')),
    });
    await engine.subscribe('t', () => {});
    const receiver = transport.receiver('t');
    const error = new UndecodableRecordError('no JSON');
    receiver.undecodable({ topic: 't', bytes: new Uint8Array(1), error }, acknowledgement);
    await expect
      .poll(async () => {
        receiver.deliver(createEvent({ topic: 't', payload: 1 }), acknowledgement);
        return (await engine.health()).error;
      })
      .toContain('1 dead letter(s) could not be written');
    await engine.stop({ timeoutMs: 1 }).catch(() => {});
  });

  test('is reported if its ownership is not confirmed', async () => {
    const { engine, transport } = await started();
    await engine.subscribe('t', () => {});
    const receiver = transport.receiver('t');
    receiver.mayBegin = () => false;
    receiver.deliver(createEvent({ topic: 't', payload: 1 }), acknowledgement);
    await is(engine, 'degraded');
    expect((await engine.health()).error).toContain('until this process is sure that it still owns them');
    receiver.withdraw();
    expect((await engine.health()).status).toBe('up');
    await engine.stop();
  });

  test('is reported if other subscriptions occupy all workers', async () => {
    const { engine, transport } = await started();
    const hangs = (): Promise<void> => new Promise(() => {});
    await engine.subscribeAsync('t', hangs);
    await engine.subscribeAsync('u', () => {});
    for (let n = 0; n < 5; n++)
      transport.receiver('t').deliver(createEvent({ topic: 't', payload: n }), acknowledgement);
    transport.receiver('u').deliver(createEvent({ topic: 'u', payload: 1 }), acknowledgement);
    await is(engine, 'degraded');
    expect((await engine.health()).error).toMatch(/^the subscription \S+ to "u" .* wait for a worker$/);
    await engine.stop({ timeoutMs: 0 }).catch(() => {});
  });
});

describe('health', () => {
  test('is the worse of the results of `ping` and `describe`, with the reasons of both', async () => {
    const { engine, transport } = await started();
    transport.describe = () => ({ status: 'degraded', error: 'a group is ill', details: { groups: 1 } });
    const expected = {
      status: 'degraded',
      state: 'started',
      error: 'a group is ill',
      details: { groups: 1 },
    };
    expect(await engine.health()).toEqual(expected);
    transport.ping = () => Promise.reject(new Error('no answer'));
    expect(await engine.health()).toEqual({
      ...expected,
      status: 'down',
      error: 'no answer; a group is ill',
    });
    transport.describe = () => ({ status: 'down' });
    transport.ping = () => Promise.resolve();
    expect(await engine.health()).toEqual({ status: 'down', state: 'started' });
    await engine.stop();
  });

  test('never rejects if `describe` throws', async () => {
    const { engine, transport } = await started();
    transport.describe = () => {
      throw new Error('no idea');
    };
    expect(await engine.health()).toEqual({ status: 'degraded', state: 'started', error: 'no idea' });
    await engine.stop();
  });
});
