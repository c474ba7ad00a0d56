import {
  type EngineTypes,
  type Event,
  type EventBus,
  type TypedEventBus,
  createEventBus,
  forTenant,
} from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { EventBusModule } from '@polybus/core/module';
import { type MemoryConfig, memoryEngine } from '@polybus/engine-memory';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';

interface User {
  readonly id: string;
}
interface Topics {
  'user.created': User;
  'user.deleted': { readonly id: string; readonly reason: string };
  'order.placed': number;
}

const bus = createEventBus<Topics>();

test('publish takes the payload of the topic', () => {
  void bus.publish('user.created', { id: 'u1' });
  void bus.publish('user.created', { id: 'u1' }, { key: 'u1', metadata: { source: 'signup' } });
  void bus.publish({ topic: 'order.placed', payload: 7, key: 'k' });
  // @ts-expect-error the payload is not a User
  void bus.publish('user.created', { name: 'u1' });
  // @ts-expect-error there is no such topic
  void bus.publish('user.updated', { id: 'u1' });
  // @ts-expect-error the payload is not a number
  void bus.publish({ topic: 'order.placed', payload: 'seven' });
  // @ts-expect-error one publishes to topics, not to patterns
  void bus.publish('user.*', { id: 'u1' });
});

test('a handler gets the payload of its topic', () => {
  void bus.subscribe('user.created', (event, { signal, attempt }) => {
    expectTypeOf(event.payload).toEqualTypeOf<User>();
    expectTypeOf(event.topic).toEqualTypeOf<'user.created'>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    expectTypeOf(attempt).toBeNumber();
  });
  // @ts-expect-error nothing matches
  void bus.subscribe('invoice.*', () => {});
  // @ts-expect-error a handler is required
  void bus.subscribe('user.created');
});

test('a pattern gives the union of what it matches, told apart by topic', () => {
  void bus.subscribe('user.*', (event) => {
    expectTypeOf(event.topic).toEqualTypeOf<'user.created' | 'user.deleted'>();
    if (event.topic === 'user.deleted') expectTypeOf(event.payload.reason).toBeString();
  });
  void bus.subscribeAsync('*', ({ payload }) => {
    expectTypeOf(payload).toEqualTypeOf<Topics[keyof Topics]>();
  });
});

test('the bus’s own topics carry unknown', () => {
  void bus.subscribe('_dead.*', ({ payload }) => {
    expectTypeOf(payload).toBeUnknown();
  });
});

test('events() yields the same types', async () => {
  for await (const event of bus.events('order.placed')) expectTypeOf(event.payload).toBeNumber();
});

test('batch handlers get the same types', () => {
  void bus.subscribeBatch('order.placed', (events, context) => {
    for (const { payload } of events) expectTypeOf(payload).toBeNumber();
    expectTypeOf<Parameters<typeof context.fail>[0]>().toExtend<Event>();
  });
  // @ts-expect-error not a topic
  void bus.subscribeBatch('order.unknown', () => {});
});

test('schemas give the types: input to publish, output to handlers', () => {
  const typed = createEventBus({
    schemas: { 'user.born': z.object({ at: z.string().transform((text) => new Date(text)) }) },
  });
  void typed.publish('user.born', { at: '2000-01-01' });
  // @ts-expect-error the wire carries text
  void typed.publish('user.born', { at: new Date() });
  void typed.subscribe('user.*', ({ payload }) => {
    expectTypeOf(payload.at).toEqualTypeOf<Date>();
  });
});

test('a bus without a map takes any topic, and its payloads are unknown', () => {
  const open = createEventBus();
  void open.publish('anything', 1);
  void open.subscribe('any.*', (event) => {
    expectTypeOf(event).toEqualTypeOf<Event>();
  });
});

test('a handler may return anything, and so may a middleware', () => {
  const insert = async (row: unknown): Promise<unknown[]> => [row];
  void bus.subscribe('user.created', async ({ payload }) => insert(payload));
  void bus.subscribeAsync('user.*', ({ topic }) => topic.length);
  const any: EventBus = bus;
  void any.subscribe<User>('user.created', ({ payload }) => insert(payload));
  void createEventBus({ middleware: { handle: [async ({ event, next }) => [event, await next()]] } });
});

test('a handler receives what JSON makes of a payload', () => {
  class Money {
    readonly cents: number = 1;
    format(): string {
      return `${this.cents}`;
    }
  }
  interface Order {
    readonly at: Date;
    readonly price: Money;
    readonly tags?: readonly { readonly since: Date }[];
    readonly anything: unknown;
  }
  type Tree = { readonly name: string; readonly inside: readonly Tree[] };
  const orders = createEventBus<{ 'order.placed': Order; tree: Tree; bytes: Uint8Array }>();
  void orders.publish('order.placed', { at: new Date(), price: new Money(), anything: 1 });
  void orders.subscribe('order.placed', ({ payload }) => {
    expectTypeOf(payload.at).toBeString();
    expectTypeOf(payload.tags).toEqualTypeOf<readonly { readonly since: string }[] | undefined>();
    expectTypeOf(payload.price).toEqualTypeOf<{ readonly cents: number }>();
    expectTypeOf(payload.anything).toBeUnknown();
    // @ts-expect-error a method does not travel
    payload.price.format();
  });
  void orders.subscribe('tree', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<Tree>());
  void orders.subscribe('bytes', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<Uint8Array>());
});

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

test('a payload that is JSON already keeps its type, also if that refers to itself', () => {
  const any = createEventBus<{ json: Json; part: { body: Json; at: string } }>();
  void any.publish('json', { a: [1, null, { b: 'c' }] });
  void any.publish('part', { body: [1], at: 'noon' });
  void any.subscribe('json', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<Json>());
  void any.subscribe('part', ({ payload }) => expectTypeOf(payload.body).toEqualTypeOf<Json>());
  void any.subscribe('*', ({ topic }) => topic);
});

test('what JSON cannot write is no payload', () => {
  const wrong = createEventBus<{
    later: Promise<string>;
    sum: bigint;
    map: Map<string, number>;
    nested: { readonly ids: Set<string> };
  }>();
  // @ts-expect-error JSON has no bigint
  void wrong.publish('sum', 1n);
  // @ts-expect-error a promise is not its value
  void wrong.publish('later', Promise.resolve('now'));
  // @ts-expect-error JSON has no Map
  void wrong.publish({ topic: 'map', payload: new Map<string, number>() });
  // @ts-expect-error nor inside of another
  void wrong.publish('nested', { ids: new Set<string>() });
  void wrong.subscribe('sum', ({ payload }) => expectTypeOf(payload).toBeNever());
});

test('what publish refuses does not compile: errors, binary data inside a payload, and what toJSON cannot mend', () => {
  class Sum {
    readonly amount: bigint = 1n;
    toJSON(): { readonly amount: bigint } {
      return { amount: this.amount };
    }
  }
  class Named {
    toJSON(key: string): string {
      return key;
    }
  }
  class Listed extends Map<string, number> {
    toJSON(): string[] {
      return [...this.keys()];
    }
  }
  interface Failure {
    readonly name: string;
    readonly message: string;
    readonly stack?: string;
    readonly cause?: Failure;
  }
  const wrong = createEventBus<{
    error: Error;
    inside: { readonly error: TypeError };
    bytes: { readonly image: Uint8Array };
    floats: Float64Array;
    sum: Sum;
    weak: WeakMap<object, number>;
  }>();
  // @ts-expect-error JSON shows nothing of an error
  void wrong.publish('error', new Error('no'));
  // @ts-expect-error nor inside of another
  void wrong.publish('inside', { error: new TypeError('no') });
  // @ts-expect-error binary data is a whole payload, or text
  void wrong.publish('bytes', { image: new Uint8Array(1) });
  // @ts-expect-error binary data is a Uint8Array
  void wrong.publish('floats', new Float64Array(1));
  // @ts-expect-error JSON has no bigint
  void wrong.publish('sum', new Sum());
  // @ts-expect-error JSON shows nothing of a WeakMap
  void wrong.publish('weak', new WeakMap<object, number>());
  void wrong.subscribe('error', ({ payload }) => expectTypeOf(payload).toBeNever());

  const right = createEventBus<{
    named: Named;
    listed: Listed;
    failure: Failure;
    bytes: Buffer;
    gaps: readonly (Date | undefined)[];
    holes: (string | undefined)[];
  }>();
  void right.publish('named', new Named());
  void right.publish('listed', new Listed());
  void right.publish('failure', { name: 'Error', message: 'no' });
  void right.publish('bytes', Buffer.from('a'));
  void right.publish('gaps', [undefined, new Date()]);
  void right.subscribe('named', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<string>());
  void right.subscribe('listed', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<string[]>());
  void right.subscribe('failure', ({ payload }) =>
    expectTypeOf(payload.cause?.message).toEqualTypeOf<string | undefined>(),
  );
  void right.subscribe('bytes', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<Uint8Array>());
  void right.subscribe('gaps', ({ payload }) =>
    expectTypeOf(payload).toEqualTypeOf<readonly (string | null)[]>(),
  );
  void right.subscribe('holes', ({ payload }) => expectTypeOf(payload).toEqualTypeOf<(string | null)[]>());
});

test('a typed bus stands wherever an event bus, or an engine, is wanted', () => {
  const take = (one: EventBus): EventBus => one;
  take(bus);
  take(createEventBus({ schemas: { a: z.object({ b: z.number() }) } }));
  take(createEventBus<{ 'order.placed': { readonly at: Date } }>());
  expectTypeOf<TypedEventBus<Topics>>().toExtend<Engine>();
});

test('engines that are imported complete their types and fields, and others are taken', () => {
  expectTypeOf<'memory' | 'durable-memory'>().toExtend<keyof EngineTypes>();
  expectTypeOf<EngineTypes['memory']>().toEqualTypeOf<MemoryConfig>();
  void createEventBus({ engine: 'of-my-own' });
  void createEventBus({ engines: [{ name: 'a', type: 'memory', config: { deliveryMode: 'block' } }] });
  void createEventBus({ engines: [{ name: 'a', type: 'of-my-own', config: { anything: 1 } }] });
});

test('an engine and an untyped bus are event buses, and a typed one stands where one is wanted', () => {
  expectTypeOf<Engine>().toExtend<EventBus>();
  expectTypeOf<TypedEventBus<Record<string, unknown>>>().toExtend<EventBus>();
  expectTypeOf(bus.untyped).toExtend<EventBus>();
  expectTypeOf(memoryEngine()).toExtend<EventBus>();
});

test('a bus for a tenant has the types of the bus', () => {
  const acme = forTenant(bus, 'acme');
  void acme.publish('user.created', { id: 'u1' }, { key: 'u1' });
  // @ts-expect-error the payload is not a User
  void acme.publish('user.created', { name: 'u1' });
  void acme.subscribe('user.*', ({ topic }) => {
    expectTypeOf(topic).toEqualTypeOf<'user.created' | 'user.deleted'>();
  });
  // @ts-expect-error nothing matches
  void acme.subscribeAsync('invoice.*', () => {});
  expectTypeOf(acme.events('order.placed')).toExtend<AsyncIterable<Event<number>>>();
});

test('the module is an event bus, and provides one with types', () => {
  const module = new EventBusModule<Topics>();
  expectTypeOf(module).toExtend<EventBus>();
  expectTypeOf(module.providesServices()[0]!.instance).toEqualTypeOf<TypedEventBus<Topics>>();
});
