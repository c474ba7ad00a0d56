import type { EngineHealth, Event } from '@polybus/core';
import {
  type Acknowledgement,
  type Delay,
  type ListenRequest,
  type Listener,
  type ReadProgress,
  type Receiver,
  TopicMatcher,
  type Transport,
  type TransportContext,
  inOnePass,
  insideHandler,
} from '@polybus/core/engine';
import { DueQueue, onAbort } from '@polybus/core/engine-kit';
import type { Envelope } from './envelope.ts';
import { PublishWait } from './publish-wait.ts';
import { TopicLoad } from './topic-load.ts';
import { GroupDelivery } from './group-delivery.ts';
import { Group, startingAt } from './group.ts';
import { History } from './history.ts';
import { Mailbox } from './mailbox.ts';
import type { LossListener } from './positions.ts';
import type { MemoryOptions } from './options.ts';

/** The maximum number of loads of idle topics before they are removed, so that unbounded topic names cannot fill the memory. */
const maxIdleLoads = 10_000;

/** The broker of the memory engine: passes published events directly to the subscriptions of this engine. */
export class MemoryTransport implements Transport {
  readonly #options: MemoryOptions;
  readonly #targets = new TopicMatcher<Mailbox | Group>();
  readonly #mailboxes = new Set<Mailbox>();
  readonly #groups = new Map<string, Group>();
  readonly #loads = new Map<string, TopicLoad>();
  readonly #history: History;
  #turn = 0;
  /** Groups by the topics and patterns in which they have a position but no subscription. */
  #away = new TopicMatcher<LossListener>();
  readonly #context: TransportContext;
  #hasWarnedOfDrops = false;
  readonly #delayed = new DueQueue<Event>((event) => void this.send(event));

  constructor(options: MemoryOptions, context: TransportContext) {
    this.#options = options;
    this.#context = context;
    this.#history = new History(
      options.historySize,
      options.retentionDays * 24 * 60 * 60 * 1000,
      (event, sequence) => {
        if (this.#groups.size === 0) return;
        for (const group of this.#away.match(event.topic)) group.lost(event, sequence);
      },
    );
  }

  async close(): Promise<void> {
    const lost = this.#delayed.clear().length;
    if (lost > 0) {
      const { name, logger } = this.#context;
      logger.warn(`the engine "${name}" stops, and ${lost} delayed event(s) are lost`, { engine: name });
    }
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
    this.#away = new TopicMatcher();
    this.#loads.clear();
    this.#history.clear();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> | undefined {
    const sequence = this.#history.add(event);
    const targets = this.#targets.match(event.topic);
    const count = targets.length;
    if (count === 0) return undefined;
    const load = this.#loadOf(event.topic);
    const first = this.#options.rotateSubscriberOrder ? this.#turn++ % count : 0;
    let wait: PublishWait | undefined;
    for (let i = 0; i < count; i++)
      wait = this.#offer(targets[(first + i) % count]!, event, sequence, load, wait);
    // Handlers run only after every subscription has this event, so that events that they publish come after it everywhere.
    if (count === 1) targets[0]!.run();
    else inOnePass(runAll, targets, first);
    const waiting = wait?.promise();
    return waiting === undefined || signal === undefined ? waiting : this.#orAborted(wait!, waiting, signal);
  }

  sendDelayed(event: Event, delay: Delay): void {
    this.#delayed.add(event, delay);
  }

  describe(): Pick<EngineHealth, 'details'> {
    return { details: { delayed: this.#delayed.size } };
  }

  /** Offers an event to one target, and returns what the publish has to wait for. */
  #offer(
    target: Mailbox | Group,
    event: Event,
    sequence: number,
    load: TopicLoad,
    wait: PublishWait | undefined,
  ): PublishWait | undefined {
    const group = target instanceof Group ? target : undefined;
    const mailbox = group === undefined ? (target as Mailbox) : group.choose(event);
    if (mailbox === undefined) {
      load.taken();
      group!.park(new GroupDelivery(group!, event, sequence, load, load));
      return wait;
    }
    const { receiver, request } = mailbox;
    const { isAsync } = request;
    const hasRoom = mailbox.hasRoom(load);
    // The publisher does not wait for room for an event that the subscription settles without handling.
    if (!hasRoom && !receiver.wants(event)) return wait;
    const linesUp = mailbox.isReplaying && mailbox.waiting < this.#options.maxEventQueueSize;
    if (!hasRoom && !linesUp && !this.#waitsForRoom) {
      this.#warnOfDrops();
      receiver.drop(event, 'buffer-full');
      return wait;
    }
    load.taken();
    let acknowledgement: Acknowledgement = load;
    let isWaiting = false;
    if (!isAsync || (!hasRoom && this.#waitsForRoom)) {
      wait ??= new PublishWait(load);
      isWaiting = wait.add(receiver);
      if (isWaiting && !isAsync) acknowledgement = wait;
    }
    if (group !== undefined) {
      const delivery = new GroupDelivery(group, event, sequence, load, acknowledgement);
      group.began(delivery, mailbox);
      acknowledgement = delivery;
    }
    if (hasRoom) {
      receiver.enqueue(event, acknowledgement);
      return wait;
    }
    // If the wait was refused, this subscription waits for the publishing handler, which continues. The event keeps its position.
    const envelope: Envelope = {
      event,
      acknowledgement,
      load,
      isBeyondLoad: insideHandler(),
      isReplay: false,
      attempts: 0,
      wait: isWaiting ? wait : undefined,
      endsWaitWhenTaken: isAsync,
    };
    mailbox.hold(envelope);
    if (this.#options.deliveryMode === 'timeout' && isWaiting && !linesUp) {
      const { publishBlockTimeout } = this.#options;
      envelope.timer = setTimeout(() => {
        this.#warnOfDrops();
        mailbox.giveUp(envelope, 'block-timeout');
      }, publishBlockTimeout);
    }
    return wait;
  }

  /** Warns once, at the first drop, for an operator who did not choose to drop events. */
  #warnOfDrops(): void {
    const context = this.#context;
    if (this.#hasWarnedOfDrops) return;
    this.#hasWarnedOfDrops = true;
    const { deliveryMode, defaultEventBufferSize, maxEventQueueSize } = this.#options;
    context.logger.warn(
      `the engine "${context.name}" drops events that find a buffer full (deliveryMode "${deliveryMode}"). To lose none, ` +
        'set the engine "durable-memory", or deliveryMode "block": publishers then wait for room. ' +
        'A larger defaultEventBufferSize, or bufferSize of one subscription, takes larger bursts',
      { engine: context.name, deliveryMode, defaultEventBufferSize, maxEventQueueSize },
    );
  }

  get #waitsForRoom(): boolean {
    const { deliveryMode, publishBlockTimeout } = this.#options;
    return deliveryMode === 'block' || (deliveryMode === 'timeout' && publishBlockTimeout > 0);
  }

  #loadOf(topic: string): TopicLoad {
    let load = this.#loads.get(topic);
    if (load !== undefined) return load;
    if (this.#loads.size >= maxIdleLoads) {
      for (const [name, idle] of this.#loads) if (idle.isEmpty) this.#loads.delete(name);
    }
    load = new TopicLoad(this.#options.maxEventQueueSize);
    this.#loads.set(topic, load);
    return load;
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const mailbox = new Mailbox(request, receiver);
    const group = request.group === undefined ? undefined : this.#groupOf(request.group);
    this.#mailboxes.add(mailbox);
    this.#targets.add(request.pattern, group ?? mailbox);
    if (group === undefined) this.#replay(mailbox);
    else this.#join(mailbox, group);
    return { stop: async () => this.#leave(mailbox, group) };
  }

  *progress(): Iterable<ReadProgress> {
    for (const [name, group] of this.#groups) yield* group.progress(name);
  }

  #groupOf(name: string): Group {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new Group(this.#away, (delivery, member) => this.#hold(delivery, member, false));
      this.#groups.set(name, group);
    }
    return group;
  }

  #replay(mailbox: Mailbox): void {
    const { from } = mailbox.request;
    if (from === 'latest') return;
    const isWanted = startingAt(from);
    for (const entry of this.#history.all()) {
      const { event } = entry;
      if (!mailbox.matches(event.topic) || !isWanted(entry)) continue;
      const load = this.#loadOf(event.topic);
      load.taken();
      mailbox.hold(heldBack(event, load, load, true));
    }
    mailbox.drain();
  }

  #join(mailbox: Mailbox, group: Group): void {
    const { earlier, losses } = group.join(mailbox, this.#history);
    const reason = `the history of ${this.#options.historySize} events lost some before the group "${mailbox.request.group}" came back; raise historySize`;
    for (const loss of losses) this.#context.missed({ ...loss, reason });
    for (const { sequence, event, attempts } of earlier) {
      const load = this.#loadOf(event.topic);
      load.taken();
      const delivery = new GroupDelivery(group, event, sequence, load, load, attempts);
      const member = group.choose(event);
      if (member === undefined) group.park(delivery);
      else this.#hold(delivery, member, true);
    }
    mailbox.drain();
  }

  #hold(delivery: GroupDelivery, member: Mailbox, isReplay: boolean): void {
    delivery.group.began(delivery, member);
    member.hold(heldBack(delivery.event, delivery, delivery.load, isReplay, delivery.attempts));
  }

  #leave(mailbox: Mailbox, group: Group | undefined): void {
    if (mailbox.isClosed) return;
    const { pattern } = mailbox.request;
    this.#mailboxes.delete(mailbox);
    if (group === undefined) this.#targets.remove(pattern, mailbox);
    else {
      group.leave(mailbox, this.#history.next);
      if (!group.hasPattern(pattern)) this.#targets.remove(pattern, group);
    }
    mailbox.close();
  }

  #orAborted(wait: PublishWait, waiting: Promise<void>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      // A handler may already have aborted the signal.
      const unlink = onAbort(signal, () => {
        for (const mailbox of this.#mailboxes) mailbox.giveUpFor(wait);
        reject(signal.reason as Error);
      });
      void waiting.then(() => {
        unlink();
        resolve();
      });
    });
  }
}

function runAll(targets: readonly (Mailbox | Group)[], first: number): void {
  const count = targets.length;
  for (let i = 0; i < count; i++) targets[(first + i) % count]!.run();
}

/** The acknowledgement of an event for which no publish waits. */
function heldBack(
  event: Event,
  acknowledgement: Acknowledgement,
  load: TopicLoad,
  isReplay: boolean,
  attempts = 0,
): Envelope {
  return {
    event,
    acknowledgement,
    load,
    isBeyondLoad: true,
    isReplay,
    attempts,
    wait: undefined,
    endsWaitWhenTaken: false,
  };
}
