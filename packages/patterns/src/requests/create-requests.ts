import { assertTopic } from '@polybus/core/engine';
import { type OptionNames, assertOptionNames } from '@polybus/core/engine-kit';
import { type PatternBus, assertBus } from '../pattern-bus.ts';
import { subscribeReplier } from './replier.ts';
import { Requester } from './requester.ts';
import type { RequestMap, Requests, RequestsOptions } from './requests.ts';

const optionNames: OptionNames<RequestsOptions> = { replyTopic: true };

/**
 * Creates requests and replies over the events of a bus: a request is an event, and its reply is an event on the reply topic. Create it
 * once per bus, and again after the bus was stopped and started.
 *
 * A request is delivered like any event: at least once on a durable engine, whether or not its requester still waits. Its first reply
 * counts. A reply to a requester that has ended is read by the other requesters of the reply topic, and ignored.
 *
 * @typeParam Map - The types of the requests and replies of each topic.
 * @throws {@link InvalidOptionError}, {@link UnknownOptionError} or {@link InvalidTopicError} if an argument is invalid.
 *
 * @example
 * ```ts
 * const requests = createRequests<{ 'price.get': { request: { sku: string }; reply: { cents: number } } }>(bus);
 * await requests.reply('price.get', async ({ payload }) => ({ cents: await priceOf(payload.sku) }));
 * const { cents } = await requests.request('price.get', { sku: 'lamp' }, { timeoutMs: 2000 });
 * ```
 */
export function createRequests<Map extends RequestMap = Record<string, unknown>>(
  bus: PatternBus,
  options: RequestsOptions = {},
): Requests<Map> {
  assertBus(bus);
  assertOptionNames('createRequests', options, optionNames);
  const { replyTopic = '_replies' } = options;
  assertTopic(replyTopic);
  const requester = new Requester(bus, replyTopic);
  return {
    request: (topic, payload, requestOptions) =>
      requester.request(topic, payload, requestOptions) as Promise<never>,
    reply: (topic, handler, replyOptions) => subscribeReplier(bus, topic, handler, replyOptions),
    stats: () => requester.stats(),
    close: () => requester.close(),
    [Symbol.asyncDispose]: () => requester.close(),
  };
}
