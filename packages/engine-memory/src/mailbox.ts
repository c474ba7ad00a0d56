import type { DropReason } from '@polybus/core';
import { type ListenRequest, type Receiver, matchesTopic } from '@polybus/core/engine';
import type { Envelope } from './envelope.ts';
import type { PublishWait } from './publish-wait.ts';
import type { TopicLoad } from './topic-load.ts';

/** The receiver of one subscription, and a waiting room for events that find the receiver full. */
export class Mailbox {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
  /** The waiting events, in the order of publishing. */
  readonly #waiting = new Set<Envelope>();
  #replaying = 0;
  /** How many waiting events may enter the buffer although their topic is full, together with the events before them. */
  #beyondLoad = 0;
  isClosed = false;

  constructor(request: ListenRequest, receiver: Receiver) {
    this.request = request;
    this.receiver = receiver;
    receiver.onRoom = () => this.drain();
  }

  matches(topic: string): boolean {
    return matchesTopic(this.request.pattern, topic);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** True while events of the history wait, so that new events wait behind them. */
  get isReplaying(): boolean {
    return this.#replaying > 0;
  }

  hasRoom(load: TopicLoad): boolean {
    return this.#waiting.size === 0 && this.receiver.capacity > 0 && !load.isFull;
  }

  hold(envelope: Envelope): void {
    this.#waiting.add(envelope);
    envelope.load.waits(this);
    if (envelope.isReplay) this.#replaying++;
    if (envelope.isBeyondLoad) this.#beyondLoad++;
  }

  /** Delivers waiting events, as far as there is room. */
  drain(): void {
    // While it closes, events that leave its waiting room make room for others: these go to its group too, behind the first.
    if (this.isClosed) return;
    for (const envelope of this.#waiting) {
      if (this.receiver.capacity <= 0 || (envelope.load.isFull && this.#beyondLoad === 0)) return;
      this.#leave(envelope);
      this.receiver.deliver(envelope.event, envelope.acknowledgement, envelope.attempts);
      if (envelope.endsWaitWhenTaken) envelope.wait?.done();
    }
  }

  run(): void {
    if (this.#beyondLoad > 0) this.drain();
    this.receiver.run();
  }

  /** Drops an event that still waits. */
  giveUp(envelope: Envelope, reason: DropReason): void {
    if (!this.#waiting.has(envelope)) return;
    this.#leave(envelope);
    this.receiver.drop(envelope.event, reason);
    envelope.acknowledgement.settled();
    if (envelope.endsWaitWhenTaken) envelope.wait?.done();
  }

  /** Drops the events that one publish waits for. */
  giveUpFor(wait: PublishWait): void {
    for (const envelope of this.#waiting) if (envelope.wait === wait) this.giveUp(envelope, 'aborted');
  }

  /** Empties the waiting room. The group takes over the events; without a group they are dropped. */
  close(): void {
    this.isClosed = true;
    for (const envelope of this.#waiting) {
      this.#leave(envelope);
      if (!envelope.acknowledgement.release()) this.receiver.drop(envelope.event, 'unsubscribed');
      if (envelope.endsWaitWhenTaken) envelope.wait?.done();
    }
  }

  #leave(envelope: Envelope): void {
    this.#waiting.delete(envelope);
    envelope.load.waitsNoMore();
    if (envelope.isReplay) this.#replaying--;
    if (envelope.isBeyondLoad) this.#beyondLoad--;
    if (envelope.timer !== undefined) clearTimeout(envelope.timer);
  }
}
