import { randomUUID } from 'node:crypto';
import { type Event, InvalidOptionError, type Subscription } from '@polybus/core';
import { lendWorker } from '@polybus/core/engine';
import { type OptionNames, assertOptionNames, onAbort, orAborted, timerMs } from '@polybus/core/engine-kit';
import { RequestFailedError, RequestTimeoutError, RequestsClosedError } from '../errors.ts';
import type { PatternBus } from '../pattern-bus.ts';
import { type RequestMetadata, failureIn } from './envelope.ts';
import type { RequestOptions, RequestStats } from './requests.ts';

interface Pending {
  readonly topic: string;
  readonly ending: AbortController;
  readonly resolve: (reply: Event) => void;
}

const optionNames: OptionNames<RequestOptions> = { timeoutMs: true, signal: true, key: true, metadata: true };

/** Sends requests, and finds the request of each reply. */
export class Requester {
  readonly #bus: PatternBus;
  readonly #replyTopic: string;
  readonly #id = randomUUID();
  /** By the id of the request. */
  readonly #pending = new Map<string, Pending>();
  #late = 0;
  #isClosed = false;
  /** The subscription to the replies; undefined before the first request. */
  #listening: Promise<Subscription> | undefined;

  constructor(bus: PatternBus, replyTopic: string) {
    this.#bus = bus;
    this.#replyTopic = replyTopic;
  }

  async request(topic: string, payload: unknown, options: RequestOptions = {}): Promise<unknown> {
    assertOptionNames('request', options, optionNames);
    const { signal, key, metadata } = options;
    const timeoutMs = timerMs('timeoutMs', options.timeoutMs ?? 10_000);
    if (this.#isClosed) throw new RequestsClosedError(topic);
    signal?.throwIfAborted();
    const id = randomUUID();
    const ending = new AbortController();
    const replied = new Promise<Event>((resolve) => this.#pending.set(id, { topic, ending, resolve }));
    const timer = setTimeout(() => ending.abort(new RequestTimeoutError(topic, timeoutMs)), timeoutMs);
    const unlink = onAbort(signal, () => ending.abort(signal!.reason));
    // The reply may come from a handler of this process, which needs a worker.
    const takeBack = lendWorker();
    let reply: Event;
    try {
      await orAborted(this.#listen(topic), ending.signal);
      const own: RequestMetadata = { replyto: this.#replyTopic, requesterid: this.#id };
      const event = { topic, payload, id, key, metadata: { ...metadata, ...own } };
      await this.#bus.untyped.publish(event, { signal: ending.signal });
      reply = await orAborted(replied, ending.signal);
    } finally {
      takeBack();
      clearTimeout(timer);
      unlink();
      this.#pending.delete(id);
    }
    const failure = failureIn(reply);
    if (failure !== undefined) throw new RequestFailedError(topic, failure);
    return reply.payload;
  }

  stats(): RequestStats {
    return { pending: this.#pending.size, late: this.#late };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { topic, ending } of this.#pending.values()) ending.abort(new RequestsClosedError(topic));
    await this.#listening?.then(
      (subscription) => subscription.cancel(),
      () => {},
    );
  }

  async #listen(topic: string): Promise<void> {
    this.#assertReachable(topic);
    // Serial: it needs no worker of the pool, all of which may belong to handlers that wait for replies.
    this.#listening ??= this.#bus.untyped.subscribe(this.#replyTopic, (event) => this.#receive(event), {
      retry: false,
      deadLetter: false,
    });
    const listening = this.#listening;
    try {
      await listening;
    } catch (error) {
      // The next request tries again.
      if (this.#listening === listening) this.#listening = undefined;
      throw error;
    }
  }

  /** If requests reach other processes, replies have to come back from them. */
  #assertReachable(topic: string): void {
    const { router } = this.#bus;
    const isShared = (name: string): boolean => router.engine(name).capabilities.crossProcess;
    const [there, back] = [router.engineFor(topic), router.engineFor(this.#replyTopic)];
    if (!isShared(there) || isShared(back)) return;
    throw new InvalidOptionError(
      'replyTopic',
      this.#replyTopic,
      `a topic that a routing rule gives to an engine of several processes, such as "${there}", as the topic of the request is`,
    );
  }

  #receive(reply: Event): void {
    const { requesterid, causationid } = reply.metadata;
    if (requesterid !== this.#id) return;
    const pending = this.#pending.get(String(causationid));
    if (pending === undefined) {
      this.#late++;
      return;
    }
    this.#pending.delete(String(causationid));
    pending.resolve(reply);
  }
}
