import { EventEmitter } from 'node:events';
import { createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import Emittery from 'emittery';
import eventemitter2 from 'eventemitter2';
import { EventEmitter as EventEmitter3 } from 'eventemitter3';
import { promise as fastq } from 'fastq';
import mqemitter, { type Message } from 'mqemitter';
import PQueue from 'p-queue';
import { Subject } from 'rxjs';
import type { Comparison, Sample } from './harness/compare.ts';
import { large, medium, small, user } from './harness/payloads.ts';
import { runBenchmark } from './harness/report.ts';

/**
 * Compares the memory engine with in-process emitters and queues. The emitters do less: none of them adds an id and a time to an event,
 * checks its payload, limits a buffer, retries or counts. A publisher can await the handlers of polybus, emittery, eventemitter2 and
 * mqemitter, but not those of node:EventEmitter, eventemitter3 and rxjs.
 */
const topic = 'user.created';

let handled = 0;
const handler = () => (): void => void handled++;

/** Nanoseconds of CPU time per event of a long loop, garbage collection included. */
async function cpuPerEvent(count: number, work: () => Promise<unknown>): Promise<number> {
  const since = process.cpuUsage();
  await work();
  const { user: inUser, system } = process.cpuUsage(since);
  return ((inUser + system) * 1000) / count;
}

/** Publishes in a loop that awaits each publish. The contender is set up before its first round. */
function looped(events: number, prepare: () => Promise<() => unknown>): Sample {
  let prepared: Promise<() => unknown> | undefined;
  return async () => {
    const publish = await (prepared ??= prepare());
    const before = handled;
    await publish();
    if (handled === before) throw new Error('nothing was delivered');
    return cpuPerEvent(events, async () => {
      for (let i = 0; i < events; i++) await publish();
    });
  };
}

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

async function startedEngine(subscribe: (engine: Engine) => Promise<unknown>): Promise<Engine> {
  const engine = memoryEngine({ deliveryMode: 'block' });
  await engine.start();
  await subscribe(engine);
  return engine;
}

function fanOut(count: number, payload: object): Readonly<Record<string, () => Promise<() => unknown>>> {
  return {
    polybus: async () => {
      const engine = await startedEngine((one) =>
        Promise.all(times(count, () => one.subscribe(topic, handler()))),
      );
      return () => engine.publish({ topic, payload });
    },
    'polybus, a bus over the engine': async () => {
      const engine = memoryEngine({ deliveryMode: 'block' });
      const bus = createEventBus({ engines: [{ name: 'm', engine }] });
      await bus.start();
      await Promise.all(times(count, () => bus.subscribe(topic, handler())));
      return () => bus.publish(topic, payload);
    },
    emittery: async () => {
      const emitter = new Emittery();
      for (const one of times(count, handler)) emitter.on(topic, one);
      return () => emitter.emit(topic, payload);
    },
    'eventemitter2, wildcards': async () => {
      const emitter = new eventemitter2.EventEmitter2({ wildcard: true, maxListeners: 0 });
      for (const one of times(count, handler)) emitter.on(topic, one);
      return () => emitter.emitAsync(topic, payload);
    },
    eventemitter2: async () => {
      const emitter = new eventemitter2.EventEmitter2({ maxListeners: 0 });
      for (const one of times(count, handler)) emitter.on(topic, one);
      return () => emitter.emitAsync(topic, payload);
    },
    mqemitter: async () => {
      const emitter = mqemitter();
      for (const one of times(count, handler)) {
        emitter.on(topic, (_: Message, done: () => void) => {
          one();
          done();
        });
      }
      return () => new Promise<void>((resolve) => emitter.emit({ topic, payload }, () => resolve()));
    },
    'node:EventEmitter, not awaitable': async () => {
      const emitter = new EventEmitter().setMaxListeners(0);
      for (const one of times(count, handler)) emitter.on(topic, one);
      return () => emitter.emit(topic, payload);
    },
    'eventemitter3, not awaitable': async () => {
      const emitter = new EventEmitter3();
      for (const one of times(count, handler)) emitter.on(topic, one);
      return () => emitter.emit(topic, payload);
    },
    'rxjs Subject, not awaitable': async () => {
      const subject = new Subject<object>();
      for (const one of times(count, handler)) subject.subscribe(one);
      return () => subject.next(payload);
    },
  };
}

/** One event and many patterns: the cost of matching as the number of subscriptions grows. */
function amongPatterns(): Readonly<Record<string, () => Promise<() => unknown>>> {
  const polybus = (count: number) => async () => {
    const engine = await startedEngine((one) =>
      Promise.all(times(count, (i) => one.subscribe(`user${i}.*`, handler()))),
    );
    return () => engine.publish({ topic: 'user7.created', payload: user });
  };
  const ee2 = (count: number) => async () => {
    const emitter = new eventemitter2.EventEmitter2({ wildcard: true, maxListeners: 0 });
    for (const one of times(count, (i) => `user${i}.*`)) emitter.on(one, handler());
    return () => emitter.emitAsync('user7.created', user);
  };
  return {
    polybus: polybus(10_000),
    'polybus, 10 patterns': polybus(10),
    'eventemitter2, 10,000 patterns': ee2(10_000),
    'eventemitter2, 10 patterns': ee2(10),
  };
}

const pooled = 100_000;
const workers = 5;

/** Hands over events at once, and waits until workers that pause once for each event have handled all of them. */
function pool(prepare: (onEvent: () => Promise<void>) => Promise<(payload: object) => unknown>): Sample {
  let left = 0;
  let done = (): void => {};
  const push = prepare(async () => {
    await Promise.resolve();
    if (--left === 0) done();
  });
  return async () => {
    const publish = await push;
    left = pooled;
    const all = new Promise<void>((resolve) => (done = resolve));
    return cpuPerEvent(pooled, async () => {
      for (let i = 0; i < pooled; i++) void publish(user);
      await all;
    });
  };
}

const pools: Readonly<Record<string, Sample>> = {
  polybus: pool(async (onEvent) => {
    const engine = durableMemoryEngine({
      workerCount: workers,
      defaultEventBufferSize: pooled,
      maxEventQueueSize: pooled,
    });
    await engine.start();
    await engine.subscribeAsync(topic, onEvent, { concurrency: workers });
    return (payload) => engine.publish({ topic, payload });
  }),
  'fastq.promise': pool(async (onEvent) => {
    const queue = fastq(onEvent, workers);
    return (payload) => queue.push(payload);
  }),
  'p-queue': pool(async (onEvent) => {
    const queue = new PQueue({ concurrency: workers });
    return () => queue.add(onEvent);
  }),
};

/** What parts of a bus add to one publish with one handler. */
function additions(): Readonly<Record<string, () => Promise<() => unknown>>> {
  const bus = (options: object) => async () => {
    const one = createEventBus({
      engines: [{ name: 'm', engine: memoryEngine({ deliveryMode: 'block' }) }],
      ...options,
    });
    await one.start();
    await one.subscribe(topic, handler());
    return () => one.publish(topic, user);
  };
  const accepts = { '~standard': { version: 1, vendor: 'bench', validate: (value: unknown) => ({ value }) } };
  return {
    polybus: bus({}),
    'with a schema': bus({ schemas: { [topic]: accepts } }),
    'with a publish middleware': bus({
      middleware: { publish: [({ next }: { next: () => unknown }) => next()] },
    }),
    'with a handle middleware': bus({
      middleware: { handle: [({ next }: { next: () => unknown }) => next()] },
    }),
  };
}

function comparison(
  title: string,
  events: number,
  contenders: Readonly<Record<string, () => Promise<() => unknown>>>,
  targets: Comparison['targets'] = [],
): Comparison {
  const samples = Object.entries(contenders).map(
    ([name, prepare]) => [name, looped(events, prepare)] as const,
  );
  return {
    title,
    unit: 'ns',
    contenders: Object.fromEntries(samples),
    targets,
    isGuarded: targets.length > 0,
  };
}

const sized = [
  ['200 bytes', small, 50_000],
  ['2 KiB', medium, 20_000],
  ['20 KiB', large, 4000],
] as const;

await runBenchmark(
  'memory',
  ['emittery', 'eventemitter2', 'eventemitter3', 'fastq', 'mqemitter', 'p-queue', 'rxjs'],
  [
    comparison('Awaited publish, 1 handler', 100_000, fanOut(1, user), [
      { peer: 'emittery', ratio: 0.4 },
      { peer: 'eventemitter2, wildcards', ratio: 1 },
    ]),
    comparison('Awaited publish, 10 handlers', 40_000, fanOut(10, user), [{ peer: 'emittery', ratio: 0.5 }]),
    comparison('Awaited publish, 1 match among 10,000 patterns', 50_000, amongPatterns(), [
      { peer: 'polybus, 10 patterns', ratio: 1.1 },
    ]),
    {
      title: 'Async pool, 100,000 events, 5 workers',
      unit: 'ns',
      contenders: pools,
      targets: [{ peer: 'fastq.promise', ratio: 2 }],
    },
    ...sized.map(([size, payload, events]) => {
      const { polybus, emittery } = fanOut(1, payload);
      return comparison(`Awaited publish, 1 handler, a payload of ${size}`, events, {
        polybus: polybus!,
        emittery: emittery!,
      });
    }),
    comparison('What a bus adds, 1 handler', 50_000, additions()),
  ],
);
