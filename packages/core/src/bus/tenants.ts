import { AsyncLocalStorage } from 'node:async_hooks';
import type {
  BatchHandler,
  PublishOptions,
  SubscribeBatchOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import type { TypedEventBus } from './typed-event-bus.ts';
import { type OptionNames, assertOptionNames } from '../engine/options/call-options.ts';
import { InvalidOptionError, InvalidTenantError } from '../errors/errors.ts';
import type { NewEvent } from '../contract/event.ts';
import type { EventStream } from './event-stream.ts';
import type { HandleMiddleware, Middleware, PublishMiddleware } from './middleware.ts';
import type { RedriveOptions } from './redrive/redrive-run.ts';
import type { RedriveResult } from './redrive/redrive.ts';
import { assertTenant, tenantOf } from '../contract/tenant.ts';
import type {
  EventOf,
  HandledTopics,
  TopicMap,
  TopicPattern,
  TopicPublishOptions,
  TypedPublish,
  TypedSubscribe,
} from '../typed/typed-topics.ts';

export interface TenantMiddlewareOptions {
  /** Refuses to publish an event without a tenant. Default true. */
  readonly required?: boolean | undefined;
}

const optionNames = { required: true } satisfies OptionNames<TenantMiddlewareOptions>;

/**
 * Middleware for a bus whose events belong to tenants. An event that a handler publishes gets the tenant of the event being handled,
 * unless the handler sets another tenant. Publishing an event without a tenant, or with an invalid tenant, is refused.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ middleware: tenantMiddleware() });
 * ```
 *
 * @throws {@link InvalidOptionError} or {@link UnknownOptionError} if an option is invalid.
 */
export function tenantMiddleware(options: TenantMiddlewareOptions = {}): Middleware {
  assertOptionNames('tenantMiddleware', options, optionNames);
  const { required = true } = options;
  if (typeof required !== 'boolean') throw new InvalidOptionError('required', required, 'true or false');
  const handled = new AsyncLocalStorage<string | undefined>();
  const publish: PublishMiddleware = ({ event, next }) => {
    const { topic, metadata } = event;
    if (metadata['tenant'] !== undefined) {
      assertTenant(metadata['tenant'], topic);
      return next();
    }
    const tenant = handled.getStore();
    if (tenant !== undefined) return next({ ...event, metadata: { ...metadata, tenant } });
    if (!required) return next();
    throw new InvalidTenantError(
      undefined,
      'publish it through forTenant(bus, tenant), or set metadata.tenant',
      {
        topic,
      },
    );
  };
  // Runs also without a tenant, because a publisher that waits for this handler may have a tenant.
  const handle: HandleMiddleware = ({ event, next }) => handled.run(tenantOf(event), () => next());
  return { publish: [publish], handle: [handle] };
}

/** A view of a bus for one tenant. */
export interface TenantBus<Topics extends TopicMap, Published extends TopicMap = Topics> {
  readonly tenant: string;
  /** Publishes an event of this tenant. */
  readonly publish: TypedPublish<Published>;
  /** Subscribes serially to the events of this tenant. Its `group` belongs to this tenant. */
  readonly subscribe: TypedSubscribe<HandledTopics<Topics, Published>>;
  /** Subscribes concurrently to the events of this tenant, with up to `concurrency` handlers at once. */
  readonly subscribeAsync: TypedSubscribe<HandledTopics<Topics, Published>>;
  /** Subscribes to batches of events of this tenant. Its `group` belongs to this tenant. */
  subscribeBatch<P extends string>(
    topic: TopicPattern<Topics, P>,
    handler: BatchHandler<EventOf<HandledTopics<Topics, Published>, P>>,
    options?: SubscribeBatchOptions,
  ): Promise<Subscription>;
  /** Subscribes to the events of this tenant as an async iterator, for `for await`. */
  events<P extends string>(
    topic: TopicPattern<Topics, P>,
    options?: SubscribeOptions,
  ): EventStream<EventOf<HandledTopics<Topics, Published>, P>>;
  /** Publishes the dead letters of this tenant back to their topic. Its `group` belongs to this tenant. */
  redrive(topic: string, options?: Omit<RedriveOptions, 'tenant'>): Promise<RedriveResult>;
}

/**
 * Returns a view of a bus for one tenant. Its `publish` sets `metadata.tenant`, and its subscriptions get only events of this tenant,
 * on every engine.
 *
 * @throws {@link InvalidTenantError} if the tenant is invalid.
 */
export function forTenant<Topics extends TopicMap, Published extends TopicMap>(
  bus: TypedEventBus<Topics, Published>,
  tenant: string,
): TenantBus<Topics, Published> {
  assertTenant(tenant);
  const untyped = bus as unknown as TypedEventBus<Record<string, unknown>>;
  const ofTenant = <O extends SubscribeOptions | SubscribeBatchOptions | RedriveOptions>(
    options?: O,
  ): O & { tenant: string } => {
    // A copy of an array, for example, would be valid options: the call refuses the original.
    if (typeof options !== 'object' || options === null || Array.isArray(options))
      return (options === undefined ? { tenant } : options) as never;
    if (options.tenant !== undefined && options.tenant !== tenant) throw otherTenant(options.tenant, tenant);
    return { ...options, tenant };
  };
  return {
    tenant,
    publish: async (
      eventOrTopic: NewEvent | string,
      payloadOrOptions?: unknown,
      options?: TopicPublishOptions,
    ): Promise<void> => {
      if (typeof eventOrTopic === 'string')
        return untyped.publish(eventOrTopic, payloadOrOptions, withTenant(options ?? {}, tenant));
      return untyped.publish(
        withTenant(eventOrTopic, tenant),
        payloadOrOptions as PublishOptions | undefined,
      );
    },
    subscribe: async (topic: string, handler: never, options?: SubscribeOptions) =>
      untyped.subscribe(topic, handler, ofTenant(options)),
    subscribeAsync: async (topic: string, handler: never, options?: SubscribeOptions) =>
      untyped.subscribeAsync(topic, handler, ofTenant(options)),
    subscribeBatch: async (topic: string, handler: never, options?: SubscribeBatchOptions) =>
      untyped.subscribeBatch(topic, handler, ofTenant(options)),
    events: (topic: string, options?: SubscribeOptions) => untyped.events(topic, ofTenant(options)),
    redrive: async (topic: string, options?: RedriveOptions) => untyped.redrive(topic, ofTenant(options)),
  } as unknown as TenantBus<Topics, Published>;
}

function withTenant<T extends Pick<NewEvent, 'metadata'>>(event: T, tenant: string): T {
  // `publish` refuses what is no event.
  if (typeof event !== 'object' || event === null) return event;
  const given = event.metadata?.['tenant'];
  if (given !== undefined && given !== tenant) throw otherTenant(given, tenant);
  return { ...event, metadata: { ...event.metadata, tenant } };
}

function otherTenant(given: unknown, tenant: string): InvalidTenantError {
  return new InvalidTenantError(given, `this is the bus of the tenant "${tenant}"; omit the tenant`);
}
