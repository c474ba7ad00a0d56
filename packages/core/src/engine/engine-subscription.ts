import { randomBytes } from 'node:crypto';
import type { Subscription } from '../contract/bus.ts';

const processId = randomBytes(6).toString('hex');
let lastId = 0;

/** Returns a new subscription id, unique across processes. The ids of one process have the same beginning. */
export function nextSubscriptionId(): string {
  return `sub-${processId}-${(++lastId).toString(36)}`;
}

/** A subscription whose `cancel` calls a given function. */
export class CancellableSubscription implements Subscription {
  readonly id: string = nextSubscriptionId();
  readonly topic: string;
  readonly isAsync: boolean;
  readonly engine: string;
  readonly group: string | undefined;
  readonly #cancel: (subscription: Subscription) => Promise<void>;

  constructor(
    labels: { topic: string; isAsync: boolean; engine: string; group?: string | undefined },
    cancel: (subscription: Subscription) => Promise<void>,
  ) {
    this.topic = labels.topic;
    this.isAsync = labels.isAsync;
    this.engine = labels.engine;
    this.group = labels.group;
    this.#cancel = cancel;
  }

  cancel(): Promise<void> {
    return this.#cancel(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cancel();
  }
}
