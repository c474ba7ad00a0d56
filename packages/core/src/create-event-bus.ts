import type { EventBusConfig } from './config/event-bus-config.ts';
import type { EventBus, SubscribeOptions } from './contract.ts';
import { type EventBusParts, UntypedEventBus } from './event-bus.ts';
import type { EventStream } from './event-stream.ts';
import type { SchemaInput, SchemaOutput, StandardSchema } from './standard-schema.ts';
import type { EventOf, TopicMap, TopicPattern, TypedPublish, TypedSubscribe } from './typed-topics.ts';

/** What `createEventBus` takes: the configuration, and what only code can give. */
export type EventBusOptions = EventBusConfig & EventBusParts;

/**
 * An event bus whose topics have types.
 *
 * @typeParam Topics - What handlers receive, per topic.
 * @typeParam Published - What publishers give, per topic; differs where schemas transform.
 */
export interface TypedEventBus<Topics extends TopicMap, Published extends TopicMap = Topics> extends Omit<
  UntypedEventBus,
  'publish' | 'subscribe' | 'subscribeAsync' | 'events' | 'untyped'
> {
  /** This bus, for code that takes any `EventBus`: without a map, so topics and payloads are not checked by type. */
  readonly untyped: EventBus;
  readonly publish: TypedPublish<Published>;
  readonly subscribe: TypedSubscribe<Topics>;
  readonly subscribeAsync: TypedSubscribe<Topics>;
  /** A subscription as an async iterator, for `for await`; an event is acknowledged when the loop asks for the next. */
  events<P extends string>(
    topic: TopicPattern<Topics, P>,
    options?: SubscribeOptions,
  ): EventStream<EventOf<Topics, P>>;
}

type Schemas = Readonly<Record<string, StandardSchema>>;
type Inputs<S extends Schemas> = { [T in keyof S & string]: SchemaInput<S[T]> };
type Outputs<S extends Schemas> = { [T in keyof S & string]: SchemaOutput<S[T]> };

/**
 * Makes an event bus. Nothing is opened before `start`.
 *
 * @example
 * ```ts
 * const bus = createEventBus<{ 'user.created': User }>();
 * await bus.start();
 * await bus.subscribe('user.*', (event) => console.log(event.payload));
 * await bus.publish('user.created', { id: 'u1' });
 * await bus.stop();
 * ```
 *
 * @throws {@link InvalidConfigError} listing every problem of the configuration.
 */
export function createEventBus<S extends Schemas>(
  options: EventBusOptions & { readonly schemas: S },
): TypedEventBus<Outputs<S>, Inputs<S>>;
export function createEventBus<Topics extends TopicMap = Record<string, unknown>>(
  options?: EventBusOptions,
): TypedEventBus<Topics>;
export function createEventBus(options?: EventBusOptions): unknown {
  return new UntypedEventBus(options);
}
