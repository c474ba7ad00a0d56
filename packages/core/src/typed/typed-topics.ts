import type {
  EventBus,
  HandlerContext,
  PublishOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import type { Event, NewEvent } from '../contract/event.ts';
import type { PublishedPayload, ReceivedPayload } from './received-payload.ts';

/** Maps each topic to the type of its payload. */
export type TopicMap = object;

/** The topics of a map. */
export type TopicOf<Topics extends TopicMap> = keyof Topics & string;

/** True for a map without named topics: `Record<string, …>`. */
type IsOpen<Topics extends TopicMap> = string extends keyof Topics ? true : false;

/** The topics of a map that a topic or pattern matches. */
export type MatchingTopic<Topics extends TopicMap, Pattern extends string> =
  Pattern extends TopicOf<Topics>
    ? Pattern
    : Pattern extends '*'
      ? Exclude<TopicOf<Topics>, `_${string}`>
      : Pattern extends `${infer Prefix}*`
        ? Extract<TopicOf<Topics>, `${Prefix}${string}`>
        : never;

/** A topic of the map, or a pattern that matches at least one; any text for a map without named topics. */
export type TopicPattern<Topics extends TopicMap, Pattern extends string> =
  IsOpen<Topics> extends true
    ? Pattern
    : [MatchingTopic<Topics, Pattern>] extends [never]
      ? Pattern extends `_${string}`
        ? Pattern
        : TopicOf<Topics> | '*'
      : Pattern;

/**
 * The event type that a subscription to a topic or pattern gets. For a pattern, it is the union over the matching topics, which the
 * field `topic` distinguishes. Topics of the bus itself, which begin with `_`, have payloads of type `unknown`.
 */
export type EventOf<Topics extends TopicMap, Pattern extends string> =
  IsOpen<Topics> extends true
    ? Event
    : [MatchingTopic<Topics, Pattern>] extends [never]
      ? // No call has a topic of the type `string`: this case makes the bus assignable to an event bus with any topics.
        Event<string extends Pattern ? never : unknown>
      : { [T in MatchingTopic<Topics, Pattern>]: Event<Topics[T]> & { readonly topic: T } }[MatchingTopic<
          Topics,
          Pattern
        >];

/** The type of a handler that is subscribed to a topic or pattern. */
export type HandlerOf<Topics extends TopicMap, Pattern extends string> = (
  event: EventOf<Topics, Pattern>,
  context: HandlerContext,
) => unknown;

/** The options of `publish(topic, payload, options)`. */
export interface TopicPublishOptions extends PublishOptions, Omit<NewEvent, 'topic' | 'payload'> {}

/**
 * The payload types that handlers get. If publishers use the same types, handlers get their JSON values. If they use others, because
 * schemas transform payloads, handlers get the types of `Topics` unchanged.
 */
export type HandledTopics<Topics extends TopicMap, Published extends TopicMap> = [Topics, Published] extends [
  Published,
  Topics,
]
  ? { [T in keyof Topics]: ReceivedPayload<Topics[T]> }
  : Topics;

/** The publishing side of a typed bus. */
export interface TypedPublish<Topics extends TopicMap> {
  <T extends TopicOf<Topics>>(
    topic: T,
    payload: PublishedPayload<Topics[T]>,
    options?: TopicPublishOptions,
  ): Promise<void>;
  <T extends TopicOf<Topics>>(
    event: NewEvent<PublishedPayload<Topics[T]>> & { readonly topic: T },
    options?: PublishOptions,
  ): Promise<void>;
}

/** The subscribing side of a typed bus. For a map without named topics it equals that of any `EventBus`. */
export type TypedSubscribe<Topics extends TopicMap> =
  IsOpen<Topics> extends true
    ? EventBus['subscribe']
    : <P extends string>(
        topic: TopicPattern<Topics, P>,
        handler: HandlerOf<Topics, P>,
        options?: SubscribeOptions,
      ) => Promise<Subscription>;
