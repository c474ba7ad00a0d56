import type { EventBusConfig } from '../config/event-bus-config.ts';
import type { SchemaInput, SchemaOutput, StandardSchema } from '../typed/standard-schema.ts';
import type { TopicMap } from '../typed/typed-topics.ts';
import type { EventBusParts } from './event-bus-parts.ts';
import { UntypedEventBus } from './event-bus.ts';
import type { TypedEventBus } from './typed-event-bus.ts';

/** The options of `createEventBus`: the configuration, and parts that only code can provide. */
export type EventBusOptions = EventBusConfig & EventBusParts;

type Schemas = Readonly<Record<string, StandardSchema>>;
type Inputs<S extends Schemas> = { [T in keyof S & string]: SchemaInput<S[T]> };
type Outputs<S extends Schemas> = { [T in keyof S & string]: SchemaOutput<S[T]> };

/**
 * Creates an event bus. It opens no connection before `start`.
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
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
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
