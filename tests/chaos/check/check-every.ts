import type { History, Sent, Subscriber } from './history.ts';

/**
 * An event that was accepted so long before a subscription ended has to be accounted for, in milliseconds. Later ones may have been
 * on their way.
 */
const onTheWayMs = 10_000;

/**
 * The accepted events that a subscription of an engine that may drop events neither handled, nor reported as dropped, nor missed in a
 * gap that it reported.
 */
export function unaccounted({ sent }: History, subscriber: Subscriber): Sent[] {
  const { from, until, handlings, givenUp, gaps } = subscriber;
  const handled = new Set(handlings.flatMap(({ id, result }) => (result === 'open' ? [] : [id])));
  /** By key, the latest event that reached a handler: it has passed all before it. */
  const reached = new Map<string, number>();
  for (const { key, seq } of handlings)
    if (key !== undefined) reached.set(key, Math.max(seq, reached.get(key) ?? seq));
  return [...sent.values()].filter((event) => {
    if (event.outcome !== 'accepted' || event.at < from || event.settledAt > until) return false;
    if (handled.has(event.id) || givenUp.has(event.id)) return false;
    if (gaps.some((gap) => event.at <= gap.until && event.settledAt >= gap.since)) return false;
    const isPassed = event.key !== undefined && event.seq < (reached.get(event.key) ?? 0);
    return isPassed || event.settledAt + onTheWayMs < until;
  });
}
