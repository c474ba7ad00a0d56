import type { DeliveryStats, NewEvent, PublishOptions, SubscribeOptions } from '@polybus/core';

/** What the factory in the other process gets. */
export interface ChildContext {
  readonly id: string;
  readonly index: number;
  readonly stallLimitMs: number;
  readonly leaseMs: number;
  readonly config: unknown;
}

/** A command to a process, which answers it once. */
export type Command =
  | { readonly do: 'start'; readonly module: string; readonly context: ChildContext }
  | {
      readonly do: 'subscribe';
      readonly topic: string;
      readonly isAsync: boolean;
      readonly options: SubscribeOptions;
    }
  | { readonly do: 'publish'; readonly events: readonly NewEvent[] }
  /** Publishes, and kills its own process in the turn in which the last publish resolves. */
  | {
      readonly do: 'publish and die';
      readonly events: readonly NewEvent[];
      readonly options: Pick<PublishOptions, 'delayMs'>;
    }
  | { readonly do: 'set handlers'; readonly behaviour: Behaviour }
  | { readonly do: 'answer' };

/**
 * What handlers do: end at once, throw, wait until the behaviour changes, or wait only at events of the key whose event comes first.
 */
export type Behaviour = 'end' | 'throw' | 'hold' | 'hold one key';

export interface CommandMessage {
  readonly number: number;
  readonly command: Command;
}

/** What a process says. */
export type Report =
  | { readonly says: 'answer'; readonly number: number; readonly error?: string | undefined }
  | {
      readonly says: 'begin';
      readonly handling: number;
      readonly topic: string;
      readonly key: string | undefined;
      readonly payload: number;
      readonly attempt: number;
      readonly at: number;
    }
  | { readonly says: 'end'; readonly handling: number; readonly failed: boolean; readonly at: number }
  | { readonly says: 'stopped'; readonly stats: DeliveryStats }
  | { readonly says: 'not stopped'; readonly error: string };

/** Milliseconds on the monotonic clock, which all processes of a machine share. */
export function machineNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
