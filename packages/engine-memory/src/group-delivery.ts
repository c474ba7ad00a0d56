import type { Event } from '@polybus/core';
import type { Acknowledgement } from '@polybus/core/engine';
import { PublishWait } from './publish-wait.ts';
import type { TopicLoad } from './topic-load.ts';
import type { Mailbox } from './mailbox.ts';

/** The group of a delivery, as the delivery sees it. */
export interface DeliveryOwner {
  began(delivery: GroupDelivery, member: Mailbox): void;
  ended(delivery: GroupDelivery): void;
  released(delivery: GroupDelivery): void;
}

/** Counts the attempts at events of one key. */
export interface KeyAttempts {
  attempts: number;
}

/** The delivery of one event in a group. */
export class GroupDelivery implements Acknowledgement {
  readonly group: DeliveryOwner;
  readonly event: Event;
  readonly sequence: number;
  readonly load: TopicLoad;
  inner: Acknowledgement;
  /** The member that has the event, or had it last. */
  member: Mailbox | undefined = undefined;
  /** Undefined for an event without a key. */
  keyAttempts: KeyAttempts | undefined = undefined;
  /** Attempts that have begun, by any member. */
  attempts: number;

  constructor(
    group: DeliveryOwner,
    event: Event,
    sequence: number,
    load: TopicLoad,
    inner: Acknowledgement,
    attempts = 0,
  ) {
    this.group = group;
    this.event = event;
    this.sequence = sequence;
    this.load = load;
    this.inner = inner;
    this.attempts = attempts;
  }

  begun(attempt: number): void {
    this.attempts = attempt;
    if (this.keyAttempts !== undefined) this.keyAttempts.attempts++;
  }

  settled(): void {
    this.inner.settled();
    this.group.ended(this);
  }

  /** Moves to another member, for which the publisher does not wait. */
  movedOn(): void {
    if (this.inner instanceof PublishWait) this.inner = this.inner.movedOn();
  }

  release(): boolean {
    this.group.released(this);
    return true;
  }
}
