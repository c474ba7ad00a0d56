import { randomBytes } from 'node:crypto';
import type { Subscription } from '../contract/bus.ts';
import { SubscriptionFlow } from '../dispatch/flow.ts';

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
  readonly flow: SubscriptionFlow;
  readonly #cancel: (subscription: Subscription) => Promise<void>;

  /** @param flow - The flow of the subscription that it is a part of. Default: its own. */
  constructor(
    labels: { topic: string; isAsync: boolean; engine: string; group?: string | undefined },
    cancel: (subscription: Subscription) => Promise<void>,
    flow: SubscriptionFlow = new SubscriptionFlow(!labels.isAsync),
  ) {
    this.topic = labels.topic;
    this.isAsync = labels.isAsync;
    this.engine = labels.engine;
    this.group = labels.group;
    this.flow = flow;
    this.#cancel = cancel;
  }

  get isPaused(): boolean {
    return this.flow.isPaused;
  }

  pause(): void {
    this.flow.setPaused(true);
  }

  resume(): void {
    this.flow.setPaused(false);
  }

  setConcurrency(concurrency: number): void {
    this.flow.setConcurrency(concurrency);
  }

  /** Passes changes on to a part that does not share its flow, because an engine with another copy of core made it. */
  leads(part: Subscription): void {
    if (part instanceof CancellableSubscription && part.flow === this.flow) return;
    const { flow } = this;
    const flowChanged = (): void => {
      if (flow.concurrency !== undefined) part.setConcurrency(flow.concurrency);
      if (flow.isPaused) part.pause();
      else part.resume();
    };
    flow.follow({ flowChanged });
    flowChanged();
  }

  cancel(): Promise<void> {
    return this.#cancel(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cancel();
  }
}
