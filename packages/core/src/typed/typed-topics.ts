import type {
  EventBus,
  HandlerContext,
  PublishOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import type { Event, NewEvent } from '../contract/event.ts';
import type { PublishedPayload, ReceivedPayload } from './received-payload.ts';

/** Which payload each topic carries. */
export type TopicMap = object;

/** The topics of a map. */
export type TopicOf<Topics extends TopicMap> = keyof Topics & string;

/** True for a map that names no topics: `Record<string, …>`. */
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

/** A topic of the map, or a pattern that matches at least one; any text for a map that names none. */
export type TopicPattern<Topics extends TopicMap, Pattern extends string> =
  IsOpen<Topics> extends true
    ? Pattern
    : [MatchingTopic<Topics, Pattern>] extends [never]
      ? Pattern extends `_${string}`
        ? Pattern
        : TopicOf<Topics> | '*'
      : Pattern;

/**
 * The event that a subscription to a topic or pattern receives. For a pattern: the union over what it matches, told apart by
 * `topic`. The bus's own topics, which begin with `_`, carry `unknown`.
 */
export type EventOf<Topics extends TopicMap, Pattern extends string> =
  IsOpen<Topics> extends true
    ? Event
    : [MatchingTopic<Topics, Pattern>] extends [never]
      ? // No call has a topic of the type `string`: this is for comparing the bus with an event bus that takes any topic.
        Event<string extends Pattern ? never : unknown>
      : { [T in MatchingTopic<Topics, Pattern>]: Event<Topics[T]> & { readonly topic: T } }[MatchingTopic<
          Topics,
          Pattern
        >];

/** A handler of such events. */
export type HandlerOf<Topics extends TopicMap, Pattern extends string> = (
  event: EventOf<Topics, Pattern>,
  context: HandlerContext,
) => unknown;

/** What `publish(topic, payload, options)` takes beside the payload. */
export interface TopicPublishOptions extends PublishOptions, Omit<NewEvent, 'topic' | 'payload'> {}

/**
 * What handlers receive of each topic. If publishers give the same types, it is what JSON makes of them; if they give others, because
 * schemas transform, it is as it stands.
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

/** The subscribing side of a typed bus; that of any `EventBus` where the map names no topics. */
export type TypedSubscribe<Topics extends TopicMap> =
  IsOpen<Topics> extends true
    ? EventBus['subscribe']
    : <P extends string>(
        topic: TopicPattern<Topics, P>,
        handler: HandlerOf<Topics, P>,
        options?: SubscribeOptions,
      ) => Promise<Subscription>;
