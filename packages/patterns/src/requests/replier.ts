import type { EventHandler, Subscription } from '@polybus/core';
import { assertHandler } from '../pattern-handler.ts';
import type { PatternBus } from '../pattern-bus.ts';
import { failureOf, replyMetadata, requestOf } from './envelope.ts';
import type { ReplyOptions } from './requests.ts';

const defaultGroup = 'replies';

/** Subscribes a handler whose result is the reply. */
export async function subscribeReplier(
  bus: PatternBus,
  topic: string,
  handler: EventHandler<never>,
  options: ReplyOptions = {},
): Promise<Subscription> {
  assertHandler(handler, topic);
  const group = 'group' in options ? options.group : groupFor(bus, topic);
  const replying: EventHandler<never> = async (event, context) => {
    const request = requestOf(event);
    if (request === undefined) return handler(event, context);
    const { replyto, requesterid } = request;
    try {
      const payload = await handler(event, context);
      await bus.untyped.publish({ topic: replyto, payload, metadata: replyMetadata(event, requesterid) });
    } catch (error) {
      const metadata = replyMetadata(event, requesterid, failureOf(error));
      // If this cannot be sent either, the requester times out. The error of the handler is the one to report.
      await bus.untyped.publish({ topic: replyto, payload: null, metadata }).catch(() => {});
      throw error;
    }
    return undefined;
  };
  return bus.untyped.subscribeAsync(topic, replying, { ...options, group, retry: false, deadLetter: false });
}

/** The default group, on engines that have groups. On others, each process gets every request. */
function groupFor({ router }: PatternBus, topic: string): string | undefined {
  return router.engine(router.engineFor(topic)).capabilities.groups ? defaultGroup : undefined;
}
