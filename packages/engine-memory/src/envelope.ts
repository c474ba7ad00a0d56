import type { Event } from '@polybus/core';
import type { Acknowledgement } from '@polybus/core/engine';
import type { PublishWait } from './publish-wait.ts';
import type { TopicLoad } from './topic-load.ts';

/** An event for a subscription that has no room for it yet. `TopicLoad` already counts it. */
export interface Envelope {
  readonly event: Event;
  readonly acknowledgement: Acknowledgement;
  readonly load: TopicLoad;
  /** True if the event may enter the buffer although its topic is full. */
  readonly isBeyondLoad: boolean;
  readonly isReplay: boolean;
  /** Attempts that started in earlier deliveries. */
  readonly attempts: number;
  /** The publish that waits for the event, if there is one. */
  readonly wait: PublishWait | undefined;
  /** False for a sync subscription: the publish waits until its handler ends. */
  readonly endsWaitWhenTaken: boolean;
  timer?: NodeJS.Timeout | undefined;
}
