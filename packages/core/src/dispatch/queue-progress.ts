import type { Subscription } from '../contract/bus.ts';
import type { ReadProgress } from '../contract/transport.ts';
import type { Deliveries } from './backlog/deliveries.ts';

/**
 * Returns how far a subscription has come, for the stall watch of the engine. A dead letter that cannot be written, and a handler that
 * blocks events of its key, are separate sources, because events of other keys continue meanwhile.
 */
export function* queueProgress(
  { id, topic }: Subscription,
  deliveries: Deliveries,
  undecodable: { readonly oldest: number | undefined; readonly size: number },
  mayBegin: (() => boolean) | undefined,
  isFull: boolean,
  isHeld: boolean,
): Generator<ReadProgress> {
  const subscription = `the subscription ${id} to "${topic}"`;
  yield {
    source: subscription,
    position: deliveries.position,
    behind: isHeld ? undefined : reasonWhyBehind(deliveries, mayBegin, isFull),
  };
  const exhausted = [...deliveries.parked].filter(({ isExhausted }) => isExhausted);
  const unwritten = (count: number): string => `${count} dead letter(s) could not be written yet`;
  if (exhausted.length > 0) {
    const [oldest] = exhausted;
    const behind = unwritten(exhausted.length);
    yield { source: `a dead letter of ${subscription}`, position: oldest!.source.id, behind };
  }
  const { oldest, size } = undecodable;
  if (oldest !== undefined)
    yield {
      source: `an undecodable record of ${subscription}`,
      position: oldest,
      behind: unwritten(size),
    };
  for (const delivery of deliveries.running.all) {
    const waiting = deliveries.backlog.countBehind(delivery);
    if (waiting === 0) continue;
    const source = `the handler of the event ${delivery.source.id} in ${subscription}`;
    yield { source, position: delivery.attempt, behind: `${waiting} event(s) of its key wait behind it` };
  }
}

/** Undefined if nothing waits, or only for the time of another attempt while there is room for other events. */
function reasonWhyBehind(
  { waiting: unhandled, parked, running, backlog }: Deliveries,
  mayBegin: (() => boolean) | undefined,
  isFull: boolean,
): string | undefined {
  const waiting = unhandled - parked.size;
  if (running.size === 0 && backlog.size === 0) {
    // Events of other keys cannot enter the buffer.
    if (!isFull || parked.size === 0) return undefined;
    return `its buffer is full: ${parked.size} event(s) wait for another attempt, and ${waiting} wait behind them for their key`;
  }
  if (waiting === 0) return undefined;
  if (running.size > 0)
    return `${waiting} event(s) wait behind ${running.size} handler(s) that have not settled`;
  if (mayBegin?.() === false)
    return `${waiting} event(s) wait until this process is sure that it still owns them`;
  return `${waiting} event(s) wait for a worker`;
}
