import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Event, Logger } from '../../src/index.ts';
import { type ListenRequest, type Listener, type Receiver, createEvent } from '../../src/engine/index.ts';
import { DelayedTopics, undecodable } from '../../src/engine-kit/index.ts';

const [secondMs, minuteMs, hourMs] = [1000, 60_000, 3_600_000];

beforeEach(() => void vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A holding topic, and the member that reads it. */
class HoldingTopic {
  readonly unsettled = new Set<Event>();
  receiver: Receiver | undefined;
  /** Events that the member has not got, in order. */
  #unread: Event[] = [];

  append(event: Event): void {
    this.unsettled.add(event);
    this.#unread.push(event);
    this.refill();
  }

  join(receiver: Receiver): void {
    this.receiver = receiver;
    receiver.onRoom = () => this.refill();
    this.#unread = [...this.unsettled];
    this.refill();
  }

  refill(): void {
    const { receiver } = this;
    if (receiver === undefined) return;
    for (const event of this.#unread.splice(0, Math.max(0, receiver.capacity))) {
      const settled = (): void => void this.unsettled.delete(event);
      const release = (): boolean => this.#unread.push(event) > 0;
      receiver.deliver(event, { settled, release });
    }
  }
}

/** A broker that appends events to topics. */
class LogBroker {
  readonly published: { readonly event: Event; readonly at: number }[] = [];
  readonly #topics = new Map<string, HoldingTopic>();
  onSend: (event: Event) => Promise<void> = () => Promise.resolve();
  onListen: () => Promise<void> = () => Promise.resolve();

  readonly send = async (event: Event): Promise<void> => {
    await this.onSend(event);
    if (event.topic.startsWith('_delayed')) this.topic(event.topic).append(event);
    else this.published.push({ event, at: Date.now() });
  };

  readonly listen = async ({ pattern }: ListenRequest, receiver: Receiver): Promise<Listener> => {
    await this.onListen();
    this.topic(pattern).join(receiver);
    return { stop: () => Promise.resolve() };
  };

  topic(name: string): HoldingTopic {
    const topic = this.#topics.get(name) ?? new HoldingTopic();
    this.#topics.set(name, topic);
    return topic;
  }

  receiver(topic: string): Receiver {
    return this.topic(topic).receiver!;
  }
}

function delaysOn(broker: LogBroker, warn: Logger['warn'] = () => {}): DelayedTopics {
  const logger = { warn, error: () => {} };
  return new DelayedTopics({ prefix: '_delayed', send: broker.send, listen: broker.listen, logger });
}

const event = (payload: unknown, key?: string): Event => createEvent({ topic: 'a', payload, key });

test.each([1, 900, 5 * secondMs, 6 * secondMs, 45 * secondMs, 7 * minuteMs, 3 * hourMs, 50 * hourMs])(
  'an event with a delay of %i ms is published at its time, with its fields',
  async (delayMs) => {
    const broker = new LogBroker();
    const delayed = delaysOn(broker);
    const original = createEvent({
      topic: 'a',
      payload: new Uint8Array([1, 2]),
      key: 'k',
      metadata: { topic: 'own' },
    });
    await delayed.send(original, { delayMs });
    await vi.advanceTimersByTimeAsync(delayMs - 1);
    expect(broker.published).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(broker.published.map((one) => one.event)).toEqual([original]);
    delayed.close();
    expect(vi.getTimerCount()).toBe(0);
  },
);

test('an event with a delay of 8 minutes passes through the topics that the documentation names', async () => {
  const broker = new LogBroker();
  const topics: string[] = [];
  broker.onSend = async ({ topic }) => void topics.push(topic);
  await delaysOn(broker).send(event(1), { delayMs: 8 * minuteMs });
  await vi.advanceTimersByTimeAsync(8 * minuteMs + secondMs);
  const times = (topic: string): number => topics.filter((one) => one === topic).length;
  expect(['3m', '30s', '5s', 'due'].map((level) => times(`_delayed.${level}`))).toEqual([2, 3, 5, 1]);
  expect(topics).toHaveLength(12);
  expect(topics.at(-1)).toBe('a');
});

test('events that are due at the same time are published in publish order, whatever topics they passed through', async () => {
  const broker = new LogBroker();
  const delayed = delaysOn(broker);
  const at = Date.now() + 40 * secondMs;
  // They pass through different topics, and reach the last topic in another order.
  for (const [n, waitMs] of [9100, 500, 25_000, 4000].entries()) {
    await delayed.send(event(n, 'k'), { at });
    await vi.advanceTimersByTimeAsync(waitMs);
  }
  await delayed.send(event(4, 'k'), { at });
  await vi.advanceTimersByTimeAsync(2 * secondMs);
  expect(broker.published.map((one) => one.event.payload)).toEqual([0, 1, 2, 3, 4]);
});

test('an event whose wait ends shortly before its time keeps its order, although it takes time to move it', async () => {
  const broker = new LogBroker();
  const moves: (() => void)[] = [];
  broker.onSend = ({ topic }) =>
    topic === 'a' ? Promise.resolve() : new Promise((resolve) => void moves.push(resolve));
  const delayed = delaysOn(broker);
  const at = Date.now() + 30 * secondMs + 100;
  const publishes = [delayed.send(event(0, 'k'), { at })];
  await vi.advanceTimersByTimeAsync(200);
  publishes.push(delayed.send(event(1, 'k'), { at }));
  // Each move takes up to 300 ms.
  while (Date.now() < at + secondMs) {
    await vi.advanceTimersByTimeAsync(300);
    for (const end of moves.splice(0)) end();
  }
  await Promise.all(publishes);
  expect(broker.published.map((one) => one.event.payload)).toEqual([0, 1]);
});

test('5,000 events with a long delay hold back none with a short delay, and few of them are in memory', async () => {
  const broker = new LogBroker();
  const delayed = delaysOn(broker);
  const far = { at: Date.now() + 3 * hourMs };
  await Promise.all(Array.from({ length: 5000 }, (_, n) => delayed.send(event(n), far)));
  await delayed.send(event('soon'), { delayMs: 100 });
  await delayed.send(event('later'), { delayMs: 20 * secondMs });
  expect(broker.receiver('_delayed.2h').capacity).toBe(0);
  await vi.advanceTimersByTimeAsync(200);
  expect(broker.published.map((one) => one.event.payload)).toEqual(['soon']);
  await vi.advanceTimersByTimeAsync(20 * secondMs);
  expect(broker.published.map((one) => one.event.payload)).toEqual(['soon', 'later']);
  await vi.advanceTimersByTimeAsync(3 * hourMs);
  expect(broker.published).toHaveLength(5002);
  expect(Math.max(...broker.published.map((one) => one.at))).toBeLessThan(far.at + 100);
});

test('an event of a process that has ended is published by the next process', async () => {
  const broker = new LogBroker();
  const first = delaysOn(broker);
  await first.send(event(1), { delayMs: minuteMs });
  await vi.advanceTimersByTimeAsync(10 * secondMs);
  first.close();
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(broker.published).toEqual([]);
  delaysOn(broker).begin();
  await vi.advanceTimersByTimeAsync(10 * secondMs);
  expect(broker.published.map((one) => one.event.payload)).toEqual([1]);
});

test('events that are withdrawn are released, and are published after they were delivered again', async () => {
  const broker = new LogBroker();
  const delayed = delaysOn(broker);
  await delayed.send(event(1), { delayMs: 100 });
  broker.receiver('_delayed.due').withdraw();
  await vi.advanceTimersByTimeAsync(secondMs);
  expect(broker.published).toEqual([]);
  broker.receiver('_delayed.due').onRoom!();
  await vi.advanceTimersByTimeAsync(10);
  expect(broker.published.map((one) => one.event.payload)).toEqual([1]);
});

test('an event that is due waits while another process may have it', async () => {
  const broker = new LogBroker();
  const delayed = delaysOn(broker);
  await delayed.send(event(1), { delayMs: 100 });
  const receiver = broker.receiver('_delayed.due');
  let isOwner = false;
  receiver.mayBegin = () => isOwner;
  await vi.advanceTimersByTimeAsync(secondMs);
  expect(broker.published).toEqual([]);
  isOwner = true;
  receiver.run();
  await vi.advanceTimersByTimeAsync(1);
  expect(broker.published).toHaveLength(1);
});

test('an event that the broker refuses is published again, waits for longer after five failures, and holds back no other', async () => {
  const broker = new LogBroker();
  const warn = vi.fn<Logger['warn']>();
  const delayed = delaysOn(broker, warn);
  let isRefused = true;
  broker.onSend = ({ topic, payload }) =>
    isRefused && topic === 'a' && payload === 'refused' ? Promise.reject(new Error('no')) : Promise.resolve();
  await delayed.send(event('refused'), { delayMs: 100 });
  await delayed.send(event('other'), { delayMs: 200 });
  await vi.advanceTimersByTimeAsync(20 * secondMs);
  expect(broker.published.map((one) => one.event.payload)).toEqual(['other']);
  expect(broker.topic('_delayed.due').unsettled.size).toBe(0);
  expect(warn).toHaveBeenCalledExactlyOnceWith(
    expect.stringContaining('could not be published'),
    expect.objectContaining({ topic: 'a', error: 'no' }),
  );
  isRefused = false;
  await vi.advanceTimersByTimeAsync(40 * secondMs);
  expect(broker.published.map((one) => one.event.payload)).toEqual(['other', 'refused']);
});

test('an engine that cannot join the group tries again, and warns once for each topic', async () => {
  const broker = new LogBroker();
  const warn = vi.fn<Logger['warn']>();
  const delayed = delaysOn(broker, warn);
  let isRefused = true;
  broker.onListen = () => (isRefused ? Promise.reject(new Error('not now')) : Promise.resolve());
  await delayed.send(event(1), { delayMs: 100 });
  await vi.advanceTimersByTimeAsync(10 * secondMs);
  const levels = ['2h', '15m', '3m', '30s', '5s', 'due'];
  expect(warn.mock.calls.map(([, fields]) => fields)).toEqual(
    levels.map((level) => ({ topic: `_delayed.${level}`, error: 'not now' })),
  );
  isRefused = false;
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(broker.published).toHaveLength(1);
});

test('records that are no delayed events are ignored and settled', async () => {
  const broker = new LogBroker();
  const warn = vi.fn<Logger['warn']>();
  delaysOn(broker, warn).begin();
  await broker.send(createEvent({ topic: '_delayed.due', payload: 1 }));
  const settled = vi.fn<() => void>();
  const { raw } = undecodable(new Error('no JSON'), { topic: '_delayed.due', bytes: new Uint8Array([1]) });
  broker.receiver('_delayed.due').undecodable(raw!, { settled, release: () => false });
  await vi.advanceTimersByTimeAsync(10);
  expect(broker.topic('_delayed.due').unsettled.size).toBe(0);
  expect(settled).toHaveBeenCalledOnce();
  expect(warn).toHaveBeenCalledTimes(2);
});
