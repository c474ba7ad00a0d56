import type {
  Event,
  HandlerContext,
  PublishedPayload,
  ReceivedPayload,
  SubscribeOptions,
  Subscription,
} from '@polybus/core';

/** Maps each topic of requests to the types of the request's payload and of its reply. */
export type RequestMap = object;

/** The topics of a map of requests. */
export type RequestTopic<Map extends RequestMap> = keyof Map & string;

/** The payload type of the requests to a topic; `unknown` if the map does not say it. */
export type RequestOf<Map extends RequestMap, T extends keyof Map> = Map[T] extends {
  readonly request: infer Request;
}
  ? Request
  : unknown;

/** The type of the replies to the requests of a topic; `unknown` if the map does not say it. */
export type ReplyOf<Map extends RequestMap, T extends keyof Map> = Map[T] extends {
  readonly reply: infer Reply;
}
  ? Reply
  : unknown;

/** Handles a request. What it returns, or what its promise resolves with, is the payload of the reply. */
export type ReplyHandler<Map extends RequestMap, T extends keyof Map> = (
  event: Event<ReceivedPayload<RequestOf<Map, T>>>,
  context: HandlerContext,
) => ReplyOf<Map, T> | PromiseLike<ReplyOf<Map, T>>;

/** Options of {@link createRequests}. */
export interface RequestsOptions {
  /**
   * The topic of the replies. Every process that sends requests with it reads all replies to it, and ignores those of others. Default
   * `_replies`.
   */
  readonly replyTopic?: string | undefined;
}

/** Options of {@link Requests.request}. */
export interface RequestOptions {
  /** How long to wait for the reply, in milliseconds, from the call on. Default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** Rejects the call with its reason when it aborts. A request that was sent is handled anyway. */
  readonly signal?: AbortSignal | undefined;
  /** The partition key of the request: requests of one key are handled in order. Default: none. */
  readonly key?: string | undefined;
  /** The metadata of the request. The fields `replyto` and `requesterid` are added. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** Options of {@link Requests.reply}: those of `subscribeAsync`, without retries and dead letters. */
export interface ReplyOptions extends Omit<SubscribeOptions, 'retry' | 'deadLetter'> {
  /** Members of the group share the requests. Default `replies`, if the engine of the topic has groups. */
  readonly group?: string | undefined;
}

/** Counts of the requests of a {@link Requests}. */
export interface RequestStats {
  /** Requests that wait for their reply. */
  readonly pending: number;
  /** Replies that came after their request had ended, for example by its timeout, and replies that came twice. */
  readonly late: number;
}

/** Sends requests, and answers them. `createRequests` creates it. */
export interface Requests<Map extends RequestMap> extends AsyncDisposable {
  /**
   * Publishes a request and resolves with the payload of its reply.
   *
   * @throws {@link RequestFailedError} if the handler failed.
   * @throws {@link RequestTimeoutError} if no reply came within `timeoutMs`.
   * @throws {@link RequestsClosedError} if `close` was called.
   * @throws what `publish` of the bus throws, or the reason of the signal.
   */
  request<T extends RequestTopic<Map>>(
    topic: T,
    payload: PublishedPayload<RequestOf<Map, T>>,
    options?: RequestOptions,
  ): Promise<ReceivedPayload<ReplyOf<Map, T>>>;
  /**
   * Subscribes a handler whose result is the reply. A request has one attempt: if the handler throws, the requester gets the name, the
   * message and the code of the error, and decides about another request. For an event on the topic that is no request, the handler is
   * called, and its result is ignored.
   *
   * @throws as `subscribeAsync` of the bus does.
   */
  reply<T extends RequestTopic<Map>>(
    topic: T,
    handler: ReplyHandler<Map, T>,
    options?: ReplyOptions,
  ): Promise<Subscription>;
  stats(): RequestStats;
  /** Rejects requests that wait for their reply, and cancels the subscription to the reply topic. Subscriptions of `reply` remain. */
  close(): Promise<void>;
}
