import type { EndWait } from '../contract/transport.ts';
import { activeWork } from './current-work.ts';
import type { Work } from './delivery.ts';

/**
 * The graph of subscriptions that wait for each other. An edge A → B exists while a handler of A waits, in a publish or an unsubscribe,
 * for progress of B. An edge that would close a cycle is refused, so that handlers never wait for each other. An engine or a router that
 * stops is a node, too: it waits for subscriptions.
 */
const edges = new WeakMap<object, Map<object, number>>();

/**
 * Starts to wait for progress of the subscription `node`, unless that would never end.
 *
 * @returns True, or a function that ends the wait. False if the caller is a handler that `node` itself waits for, directly or through
 *   others.
 */
export function beginWait(node: object): EndWait | boolean {
  const waiter = activeWork();
  if (waiter === undefined) return true;
  const from = waiter.queue.node;
  if (reaches(node, from)) return false;
  count(from, node, 1);
  const attempt = waiter.event;
  lend(waiter);
  return () => {
    count(from, node, -1);
    takeBack(waiter, attempt);
  };
}

/**
 * Lends the worker of the calling handler to other handlers, because it waits for an answer that one of them may have to give.
 *
 * @returns A function that takes the worker back. Call it once, when the wait is over.
 */
export function lendWorker(): EndWait {
  const waiter = activeWork();
  if (waiter === undefined) return () => {};
  const attempt = waiter.event;
  lend(waiter);
  return () => takeBack(waiter, attempt);
}

/** A handler that waits for others needs no worker meanwhile, and they may need its worker. */
function lend(waiter: Work): void {
  if (waiter.event !== undefined && waiter.waits++ === 0) waiter.queue.workers.lend();
}

/** @param attempt - The event of the attempt that lent its worker. If that attempt is over, there is nothing to take back. */
function takeBack(waiter: Work, attempt: Work['event']): void {
  if (attempt !== undefined && waiter.event === attempt && --waiter.waits === 0)
    waiter.queue.workers.takeBack();
}

/** Records that an engine or a router waits for nodes, until the returned function is called. */
export function beginStopWait(node: object, others: readonly object[]): EndWait {
  for (const other of others) count(node, other, 1);
  return () => {
    for (const other of others) count(node, other, -1);
  };
}

/** Whether a node waits for the handler that makes this call, directly or through others. */
export function waitsForCaller(node: object): boolean {
  const caller = activeWork();
  return caller !== undefined && reaches(node, caller.queue.node);
}

function reaches(from: object, to: object): boolean {
  const seen = new Set<object>();
  const next = [from];
  for (let node = next.pop(); node !== undefined; node = next.pop()) {
    if (node === to) return true;
    if (seen.has(node)) continue;
    seen.add(node);
    next.push(...(edges.get(node)?.keys() ?? []));
  }
  return false;
}

function count(from: object, to: object, by: 1 | -1): void {
  let targets = edges.get(from);
  if (targets === undefined) edges.set(from, (targets = new Map()));
  const waits = (targets.get(to) ?? 0) + by;
  if (waits === 0) targets.delete(to);
  else targets.set(to, waits);
}
