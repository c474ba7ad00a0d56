import { type Event, UnrecoverableError } from '@polybus/core';
import { newName, until } from '@polybus/testbed/engine';
import { expect, test } from 'vitest';
import { type CircuitState, circuitBreaker } from '../../src/index.ts';
import { describeEngines, quiet, startBus } from '../engines.ts';

const start = (): ReturnType<typeof startBus> => startBus({ engine: 'durable-memory' });
const retry = { attempts: 5, backoff: { initialMs: 1, maxMs: 1 } };
const hourMs = 3_600_000;

/** A service that handlers call, and that can be down. */
class Service {
  isDown = false;
  readonly calls: unknown[] = [];
  readonly states: CircuitState[] = [];

  readonly handler = async ({ payload }: Event): Promise<void> => {
    this.calls.push(payload);
    await Promise.resolve();
    if (this.isDown) throw new Error('the service is down');
  };

  readonly onChange = (state: CircuitState): void => void this.states.push(state);
}

test('after so many failures in a row the subscription is paused, and its events wait without attempts', async () => {
  const bus = await start();
  const service = new Service();
  const warnings: unknown[][] = [];
  const logger = { warn: (...warning: unknown[]) => warnings.push(warning) };
  const { onChange } = service;
  const handler = circuitBreaker(service.handler, { failures: 3, resetMs: hourMs, onChange, logger });
  const subscription = await bus.subscribeAsync('order.placed', handler, { retry, concurrency: 1 });
  await bus.publish('order.placed', 'a');
  await until('the first event is handled', () => bus.stats().delivered === 1);
  service.isDown = true;
  for (const payload of ['b', 'c', 'd']) await bus.publish('order.placed', payload);
  await until('the circuit opens', () => service.states.length > 0);
  expect(subscription.isPaused).toBe(true);
  const calls = [...service.calls];
  expect(calls.length).toBe(4);
  await bus.publish('order.placed', 'e');
  expect(service.calls).toEqual(calls);
  expect(service.states).toEqual(['open']);
  expect(bus.stats()).toMatchObject({ delivered: 1, failed: 0, pending: 4, running: 0 });
  expect(warnings).toEqual([
    [
      expect.stringContaining('its circuit is open'),
      { topics: ['order.placed'], failures: 3, error: new Error('the service is down') },
    ],
  ]);
});

test('after resetMs one event is tried: the circuit stays open if it fails, and closes if it succeeds', async () => {
  const bus = await start();
  const service = new Service();
  const { onChange } = service;
  const options = { failures: 2, resetMs: 30, onChange, logger: quiet };
  const handler = circuitBreaker(service.handler, options);
  const many = { attempts: 100, backoff: { initialMs: 1, maxMs: 1 } };
  const subscription = await bus.subscribeAsync('order.placed', handler, { retry: many, concurrency: 3 });
  service.isDown = true;
  for (let i = 0; i < 6; i++) await bus.publish('order.placed', i);
  // Three handlers had started before the circuit opened. Then one is called each time.
  await until('the circuit opens for the third time', () => service.states.length >= 5);
  expect(service.states.slice(0, 5)).toEqual(['open', 'half-open', 'open', 'half-open', 'open']);
  expect(service.calls.length).toBeLessThanOrEqual(3 + 3);
  service.isDown = false;
  await until('all events are handled', () => bus.stats().delivered === 6);
  expect(service.states.at(-1)).toBe('closed');
  expect(subscription.isPaused).toBe(false);
  expect(bus.stats()).toMatchObject({ failed: 0, pending: 0 });
});

test('with a probe, an outage of any length uses only the attempts of the failures that opened the circuit', async () => {
  const bus = await start();
  const service = new Service();
  let probes = 0;
  const handler = circuitBreaker(service.handler, {
    failures: 3,
    resetMs: 10,
    probe: () => {
      if (++probes <= 20) throw new Error('still down');
      service.isDown = false;
    },
    onChange: service.onChange,
    logger: quiet,
  });
  await bus.subscribeAsync('order.placed', handler, { retry });
  service.isDown = true;
  const publishing = Array.from({ length: 10 }, (_, i) => bus.publish('order.placed', i));
  await Promise.all(publishing);
  await until('all events are settled', () => bus.stats().delivered === 10);
  expect(probes).toBe(21);
  expect(service.states).toEqual(['open', 'closed']);
  expect(bus.stats()).toMatchObject({ failed: 0, deadLettered: 0 });
  expect(bus.stats().retried).toBeLessThanOrEqual(5);
});

test('a probe that does not settle is given up after resetMs, and its signal aborts', async () => {
  const bus = await start();
  const service = new Service();
  const signals: AbortSignal[] = [];
  const probe = (signal: AbortSignal): Promise<void> => {
    signals.push(signal);
    service.isDown = false;
    return signals.length === 1 ? new Promise(() => {}) : Promise.resolve();
  };
  const handler = circuitBreaker(service.handler, { failures: 1, resetMs: 20, probe, logger: quiet });
  await bus.subscribeAsync('order.placed', handler, { retry });
  service.isDown = true;
  await bus.publish('order.placed', {});
  await until('the event is handled', () => bus.stats().delivered === 1);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
});

test('errors of events do not open the circuit: UnrecoverableError, and those that isFailure excludes', async () => {
  const bus = await start();
  const states: CircuitState[] = [];
  const handler = circuitBreaker(
    ({ payload }: Event) => {
      if (payload === 'unrecoverable') throw new UnrecoverableError('no such customer');
      throw new RangeError('a wrong total');
    },
    {
      failures: 1,
      onChange: (state) => void states.push(state),
      isFailure: (error) => !(error instanceof RangeError) && !(error instanceof UnrecoverableError),
    },
  );
  const onlyDefault = circuitBreaker(
    () => {
      throw new UnrecoverableError('no such customer');
    },
    { failures: 1, onChange: (state) => void states.push(state) },
  );
  await bus.subscribe('order.placed', handler, { retry: false, deadLetter: false });
  await bus.subscribe('order.placed', onlyDefault, { retry: false, deadLetter: false });
  for (const payload of ['unrecoverable', 'wrong', 'wrong']) await bus.publish('order.placed', payload);
  expect(bus.stats()).toMatchObject({ failed: 6, pending: 0 });
  expect(states).toEqual([]);
});

test('an attempt that times out is a failure, although its handler never settles', async () => {
  const bus = await start();
  const { onChange, states } = new Service();
  const handler = circuitBreaker(() => new Promise(() => {}), {
    failures: 2,
    resetMs: hourMs,
    onChange,
    logger: quiet,
  });
  const subscription = await bus.subscribeAsync('order.placed', handler, { retry, handlerTimeoutMs: 10 });
  await bus.publish('order.placed', {});
  await until('the circuit opens', () => states.length > 0);
  expect(subscription.isPaused).toBe(true);
  await expect.poll(() => bus.stats()).toMatchObject({ pending: 1, running: 0, failed: 0 });
});

test('a success in between begins the count again', async () => {
  const bus = await start();
  const service = new Service();
  const handler = circuitBreaker(service.handler, { failures: 2, onChange: service.onChange });
  await bus.subscribe('order.placed', handler, { retry: false, deadLetter: false });
  for (const isDown of [true, false, true, false, true]) {
    service.isDown = isDown;
    await bus.publish('order.placed', {});
  }
  expect(bus.stats()).toMatchObject({ delivered: 5, failed: 3 });
  expect(service.states).toEqual([]);
});

test('a subscription that the application had paused before the circuit opened is not resumed', async () => {
  const bus = await start();
  const service = new Service();
  const handler = circuitBreaker(service.handler, {
    failures: 1,
    resetMs: 10,
    probe: () => {
      if (service.isDown) throw new Error('still down');
    },
    onChange: service.onChange,
    logger: quiet,
  });
  const placed = await bus.subscribeAsync('order.placed', handler, { retry });
  const paid = await bus.subscribeAsync('order.paid', handler, { retry });
  await bus.publish('order.placed', {});
  await bus.publish('order.paid', {});
  await until('both have called the handler', () => service.calls.length === 2);
  paid.pause();
  service.isDown = true;
  await bus.publish('order.placed', {});
  await until('the circuit opens', () => service.states.length > 0);
  expect(placed.isPaused).toBe(true);
  // The circuit ends this pause.
  placed.pause();
  service.isDown = false;
  await until('the circuit closes', () => service.states.includes('closed'));
  expect([placed.isPaused, paid.isPaused]).toEqual([false, true]);
});

test('a circuit that opens while the bus stops does not keep it from stopping', async () => {
  const bus = await start();
  let isStopping = false;
  const handler = circuitBreaker(
    async () => {
      await until('the bus stops', () => isStopping);
      throw new Error('the service is down');
    },
    { failures: 1, resetMs: hourMs, logger: quiet },
  );
  await bus.subscribeAsync('order.placed', handler, { retry });
  await bus.publish('order.placed', {});
  await until('the handler runs', () => bus.stats().running === 1);
  const stopping = bus.stop({ timeoutMs: 20_000 });
  isStopping = true;
  await stopping;
  expect(bus.stats()).toMatchObject({ delivered: 1, failed: 1, pending: 0 });
});

test('a circuit that opens pauses all subscriptions of its handler', async () => {
  const bus = await start();
  const service = new Service();
  const { onChange } = service;
  const handler = circuitBreaker(service.handler, { failures: 1, resetMs: hourMs, onChange, logger: quiet });
  const subscriptions = [
    await bus.subscribeAsync('order.placed', handler, { retry }),
    await bus.subscribeAsync('order.paid', handler, { retry }),
  ];
  await bus.publish('order.placed', {});
  await until('the first subscription has called the handler', () => service.calls.length === 1);
  service.isDown = true;
  await bus.publish('order.paid', {});
  await until('the circuit opens', () => service.states.length > 0);
  expect(subscriptions.map(({ isPaused }) => isPaused)).toEqual([true, true]);
});

test('an isFailure that throws counts as a failure, so that the events that wait for its event are tried', async () => {
  const bus = await start();
  const service = new Service();
  const handler = circuitBreaker(service.handler, {
    failures: 1,
    resetMs: 5,
    isFailure: () => {
      throw new TypeError('of isFailure');
    },
    onChange: service.onChange,
    logger: quiet,
  });
  await bus.subscribeAsync('order.placed', handler, { retry: false, deadLetter: false, concurrency: 2 });
  service.isDown = true;
  for (let i = 0; i < 4; i++) await bus.publish('order.placed', i);
  await until('a trial has failed', () => service.states.filter((state) => state === 'open').length > 1);
  service.isDown = false;
  await until('all events are settled', () => bus.stats().pending === 0);
});

test('an onChange that throws has no other effect', async () => {
  const bus = await start();
  const service = new Service();
  const warnings: string[] = [];
  const handler = circuitBreaker(service.handler, {
    failures: 1,
    resetMs: 5,
    onChange: () => {
      throw new Error('of the metrics');
    },
    logger: { warn: (message) => warnings.push(message) },
  });
  await bus.subscribeAsync('order.placed', handler, { retry });
  service.isDown = true;
  await bus.publish('order.placed', {});
  await until('the circuit opens', () => warnings.length > 1);
  service.isDown = false;
  await until('the event is handled', () => bus.stats().delivered === 1);
  expect(warnings).toContain('onChange of a circuit breaker threw');
});

test('invalid arguments are refused', () => {
  const refused = (options: object, code: string, handler: unknown = () => {}): void => {
    expect(() => circuitBreaker(handler as () => void, options)).toThrow(expect.objectContaining({ code }));
  };
  refused({}, 'HANDLER_REQUIRED', 'no function');
  refused({ failures: 0 }, 'INVALID_OPTION');
  refused({ resetMs: -1 }, 'INVALID_OPTION');
  refused({ probe: 'SELECT 1' }, 'INVALID_OPTION');
  refused({ threshold: 1 }, 'UNKNOWN_OPTION');
});

describeEngines('an outage of what the handlers need', (newConfig) => {
  test('fails no event and makes no dead letter, and afterwards each event is handled', async () => {
    const bus = await startBus(newConfig());
    const topic = newName('order.placed');
    const service = new Service();
    const handled: unknown[] = [];
    let probes = 0;
    const handler = circuitBreaker(
      async (event: Event) => {
        await service.handler(event);
        handled.push(event.payload);
      },
      {
        failures: 3,
        resetMs: 20,
        probe: () => {
          if (++probes < 10) throw new Error('still down');
          service.isDown = false;
        },
        logger: quiet,
      },
    );
    await bus.subscribeAsync(topic, handler, { group: 'charges', from: 'earliest', retry });
    service.isDown = true;
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    await Promise.all(numbers.map((i) => bus.publish(topic, i, { key: `k${i % 4}` })));
    await until('all events are handled or failed', () => {
      const { failed, pending } = bus.stats();
      return failed > 0 || (handled.length >= numbers.length && pending === 0);
    });
    expect(bus.stats()).toMatchObject({ failed: 0, deadLettered: 0 });
    expect(handled.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
  });
});
