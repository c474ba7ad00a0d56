import { EventEmitter } from 'node:events';
import { createEventBus } from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import Emittery from 'emittery';
import eventemitter2 from 'eventemitter2';
import { measure } from 'mitata';
import mqemitter, { type Message } from 'mqemitter';

/**
 * Compares the memory engine with in-process emitters, in the same process and with the same payload. The emitters do less: none of them
 * adds an id and a time to an event, checks its payload, limits a buffer, retries or counts. With each of them except node:EventEmitter, a
 * publisher can await its handlers, as with polybus.
 */
const payload = {
  id: 'u-1',
  name: 'Ada',
  roles: ['admin', 'author'],
  address: { city: 'London', zip: 'N1' },
};
const rounds = 3;

interface Contender {
  readonly name: string;
  /** Sets up the contender, and returns a function that publishes once. */
  readonly prepare: () => Promise<() => unknown>;
}

let sum = 0;
const countIn = (): void => void sum++;

async function bus(subscribe: (engine: ReturnType<typeof memoryEngine>) => Promise<void>) {
  const engine = memoryEngine({ deliveryMode: 'block', historySize: 1000 });
  await engine.start();
  await subscribe(engine);
  return engine;
}

function fanOut(count: number): Contender[] {
  const times = <T>(make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const handler = () => () => countIn();
  return [
    {
      name: 'polybus memory engine',
      prepare: async () => {
        const engine = await bus(
          async (one) => void (await Promise.all(times(() => one.subscribe('user.created', handler())))),
        );
        return () => engine.publish({ topic: 'user.created', payload });
      },
    },
    {
      name: 'polybus bus over it',
      prepare: async () => {
        const one = createEventBus({
          engines: [{ name: 'm', engine: memoryEngine({ deliveryMode: 'block' }) }],
        });
        await one.start();
        await Promise.all(times(() => one.subscribe('user.created', handler())));
        return () => one.publish('user.created', payload);
      },
    },
    {
      name: 'emittery',
      prepare: async () => {
        const emitter = new Emittery();
        for (const one of times(handler)) emitter.on('user.created', one);
        return () => emitter.emit('user.created', payload);
      },
    },
    {
      name: 'mqemitter',
      prepare: async () => {
        const emitter = mqemitter();
        for (const one of times(handler)) {
          emitter.on('user.created', (_: Message, done: () => void) => {
            one();
            done();
          });
        }
        return () =>
          new Promise<void>((resolve) => emitter.emit({ topic: 'user.created', payload }, () => resolve()));
      },
    },
    {
      name: 'eventemitter2 (emitAsync)',
      prepare: async () => {
        const emitter = new eventemitter2.EventEmitter2({ maxListeners: 0 });
        for (const one of times(handler)) emitter.on('user.created', one);
        return () => emitter.emitAsync('user.created', payload);
      },
    },
    {
      name: 'node:EventEmitter (not awaitable)',
      prepare: async () => {
        const emitter = new EventEmitter().setMaxListeners(0);
        for (const one of times(handler)) emitter.on('user.created', one);
        return () => emitter.emit('user.created', payload);
      },
    },
  ];
}

/** One event and many patterns: the cost of matching as the number of subscriptions grows. */
function amongPatterns(count: number): Contender[] {
  const patterns = Array.from({ length: count }, (_, i) => `user${i}.*`);
  return [
    {
      name: 'polybus memory engine',
      prepare: async () => {
        const engine = await bus(
          async (one) => void (await Promise.all(patterns.map((p) => one.subscribe(p, countIn)))),
        );
        return () => engine.publish({ topic: 'user7.created', payload });
      },
    },
    {
      name: 'eventemitter2 (wildcard, emitAsync)',
      prepare: async () => {
        const emitter = new eventemitter2.EventEmitter2({ wildcard: true, maxListeners: 0 });
        for (const pattern of patterns) emitter.on(pattern, countIn);
        return () => emitter.emitAsync('user7.created', payload);
      },
    },
    {
      name: 'mqemitter',
      prepare: async () => {
        const emitter = mqemitter({ separator: '.', wildcardSome: '*' });
        for (const pattern of patterns) {
          emitter.on(pattern, (_: Message, done: () => void) => {
            countIn();
            done();
          });
        }
        return () =>
          new Promise<void>((resolve) => emitter.emit({ topic: 'user7.created', payload }, () => resolve()));
      },
    },
  ];
}

async function compare(title: string, contenders: readonly Contender[]): Promise<void> {
  const samples = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const { name, prepare } of contenders) {
      const publish = await prepare();
      const before = sum;
      await publish();
      if (sum === before) throw new Error(`${name} delivered nothing`);
      const { p50 } = await measure(async () => void (await publish()));
      samples.set(name, [...(samples.get(name) ?? []), p50]);
    }
  }
  const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  const own = median(samples.get(contenders[0]!.name)!);
  console.log(`\n${title}`);
  for (const [name, values] of samples) {
    const ns = median(values);
    console.log(`  ${name.padEnd(36)} ${ns.toFixed(0).padStart(8)} ns   ×${(ns / own).toFixed(2)}`);
  }
}

console.log(
  `Node ${process.version}; median of ${rounds} rounds of the p50, awaited publish; × is relative to the first line`,
);
await compare('1 sync subscriber', fanOut(1));
await compare('10 sync subscribers', fanOut(10));
await compare('1 match among 10 patterns', amongPatterns(10));
await compare('1 match among 10 000 patterns', amongPatterns(10_000));
